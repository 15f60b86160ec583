/**
 * Which packages are replaced, and by which file of this folder. The loader hook (`register.ts`) and a bundler's resolve
 * step both read it. An import *from* a replacement goes to the original.
 */
export const IDENTITY_KEY_REDIRECTS: Readonly<Record<string, string>> = Object.freeze({
  '@libp2p/crypto/keys': new URL('./keys-module.ts', import.meta.url).href,
  '@libp2p/peer-id': new URL('./peer-id-module.ts', import.meta.url).href
})
