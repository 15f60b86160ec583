/**
 * Lets libp2p know P-256 identities. To be given as `--import ./src/p2p/identity-keys/register.ts`, so that it runs before
 * libp2p is loaded; loading it twice does no harm.
 *
 * Why: every staked Flow node has a P-256 network key. js-libp2p 3.3 refuses ECDSA identities (`peerIdFromPublicKey`), and
 * its ECDSA keys have a form that no other implementation reads: a DER of their own and raw signatures, where go-libp2p
 * writes SPKI and DER (`core/crypto/ecdsa.go`).
 *
 * How: imports of two packages, whoever makes them (libp2p, noise, tls, identify, peer-store), are resolved to the files
 * next to this one, which re-export the originals and put their own functions over a few of them (`redirects.ts`).
 *
 * Invariants: keys of other types pass through untouched; one key has one encoding and one peer id; nothing but these two
 * packages is redirected.
 *
 * When it can go: as soon as js-libp2p reads and writes SPKI DER for key type 3, signs with DER, and gives such keys peer
 * ids. `test/compliance/p2p-identity-keys.test.ts` passes without `--import` then.
 */
import { registerHooks } from 'node:module'
import { IDENTITY_KEY_REDIRECTS } from './redirects.ts'

const REGISTERED = Symbol.for('sealsync.identity-keys')
const replacements = new Set(Object.values(IDENTITY_KEY_REDIRECTS))

if (!Object.hasOwn(globalThis, REGISTERED)) {
  Object.defineProperty(globalThis, REGISTERED, { value: true })
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const url = IDENTITY_KEY_REDIRECTS[specifier]
      if (url === undefined || replacements.has(context.parentURL ?? '')) return nextResolve(specifier, context)
      return { url, format: 'module-typescript', shortCircuit: true }
    }
  })
}
