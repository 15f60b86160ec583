import type { DigestKey } from '../../model/index.ts'

/** Parts of the time that is remembered; the oldest is forgotten whole. */
const PARTS = 4
/** Slots that a part begins with; it doubles them while more than half are taken. */
const FIRST_SLOTS = 32
/** A slot: 8 bytes of the digest, and when it was sent. */
const WORDS = 3

/**
 * When each digest was last sent to a peer, for a while. A peer that reads all it can makes thousands of entries: as a map of strings they
 * took 120 bytes each, 3.5 MB of a node after a storm, here 24 at the most.
 *
 * Digests are told apart by their first 8 bytes; what a node holds are hashes that nobody chose.
 */
export class RecentlySent {
  readonly #forMs: number
  readonly #mostOfPart: number
  /** Newest last. */
  #parts: Part[] = []

  /** `most`: entries, beyond which the oldest quarter is forgotten. */
  constructor(options: { readonly forMs: number; readonly most: number }) {
    this.#forMs = options.forMs
    this.#mostOfPart = Math.ceil(options.most / PARTS)
  }

  /** When it was last sent; `undefined` when that is too long ago, or never was. */
  at(key: DigestKey, now: number): number | undefined {
    for (let part = this.#parts.length - 1; part >= 0; part -= 1) {
      const at = this.#parts[part]?.at(key)
      if (at !== undefined) return now - at > this.#forMs ? undefined : at
    }
    return undefined
  }

  note(key: DigestKey, now: number): void {
    let last = this.#parts.at(-1)
    if (last === undefined || last.size >= this.#mostOfPart || now - last.startedAt >= this.#forMs / PARTS) {
      const kept = this.#parts.filter(({ lastAt }) => now - lastAt <= this.#forMs)
      last = new Part(now)
      this.#parts = [...kept.slice(1 - PARTS), last]
    }
    last.set(key, now)
  }

  clear(): void {
    this.#parts = []
  }
}

/** Open addressing in one array. */
class Part {
  readonly startedAt: number
  lastAt: number
  size = 0
  #slots = FIRST_SLOTS
  #words = new Uint32Array(FIRST_SLOTS * WORDS)

  constructor(now: number) {
    this.startedAt = now
    this.lastAt = now
  }

  at(key: DigestKey): number | undefined {
    const since = this.#words[this.#find(wordOf(key, 0), wordOf(key, 4)) + 2] ?? 0
    return since === 0 ? undefined : this.startedAt + since - 1
  }

  set(key: DigestKey, now: number): void {
    if (this.size * 2 >= this.#slots) this.#grow()
    this.lastAt = now
    // 0 says that a slot is free.
    this.#put(wordOf(key, 0), wordOf(key, 4), Math.round(now - this.startedAt) + 1)
  }

  #put(first: number, second: number, since: number): void {
    const at = this.#find(first, second)
    if (this.#words[at + 2] === 0) this.size += 1
    this.#words[at] = first
    this.#words[at + 1] = second
    this.#words[at + 2] = since
  }

  /** Where the digest is, or would be. There is always a free slot. */
  #find(first: number, second: number): number {
    for (let slot = first % this.#slots; ; slot = (slot + 1) % this.#slots) {
      const at = slot * WORDS
      if (this.#words[at + 2] === 0 || (this.#words[at] === first && this.#words[at + 1] === second)) return at
    }
  }

  #grow(): void {
    const old = this.#words
    this.#slots *= 2
    this.#words = new Uint32Array(this.#slots * WORDS)
    this.size = 0
    for (let at = 0; at < old.length; at += WORDS) {
      const [first = 0, second = 0, since = 0] = old.subarray(at, at + WORDS)
      if (since > 0) this.#put(first, second, since)
    }
  }
}

/** A digest is a string of its bytes. */
function wordOf(key: DigestKey, from: number): number {
  let word = 0
  for (let at = from; at < from + 4; at += 1) word = word * 256 + (key.charCodeAt(at) & 255)
  return word
}
