// The blockstore that Helia's users have on a disk, for `npm run bench -- store`.
export { FsBlockstore } from 'blockstore-fs'
export { CID } from 'multiformats/cid'
