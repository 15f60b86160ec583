// The blockstore that Helia's users have on a disk, for `npm run bench -- store`.

/** Resolved at run time: the folder may not be installed when the tree is checked. */
const load = (name) => import(import.meta.resolve(name))
export const { FsBlockstore } = await load('blockstore-fs')
export const { CID } = await load('multiformats/cid')
