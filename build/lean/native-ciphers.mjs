// Takes the place of `@chainsafe/as-chacha20poly1305` and `@chainsafe/as-sha256` in the bundle: what `@libp2p/noise` calls of them, by
// Node's own cryptography. Both start a WebAssembly module as soon as they are loaded, 2.5 MiB of resident memory; and no packet of
// ours passes them, since `src/p2p/security/noise.ts` puts its own ciphers in their place.
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'

const CIPHER = 'chacha20-poly1305'
const TAG_BYTES = 16

export const newInstance = () => undefined

export class ChaCha20Poly1305 {
  seal(key, nonce, plaintext, ad) {
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    if (ad !== undefined) cipher.setAAD(ad, { plaintextLength: plaintext.length })
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  }

  /** Null where it is not what was sealed. */
  open(key, nonce, sealed, ad) {
    const end = sealed.length - TAG_BYTES
    if (end < 0) return null
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    if (ad !== undefined) decipher.setAAD(ad, { plaintextLength: end })
    decipher.setAuthTag(sealed.subarray(end))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()])
    } catch {
      return null
    }
  }
}

export const digest = (data) => createHash('sha256').update(data).digest()
