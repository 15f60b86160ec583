import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { seededRng } from '#src/util/index.ts'

const root = new URL('../../fixtures/', import.meta.url)

export const readBytes = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, root)))
export const readText = (path: string): string => readFileSync(new URL(path, root), 'utf8')
export const readJson = <T>(path: string): T => JSON.parse(readText(path)) as T
export const sha256Hex = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')
export const hexBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

const WORDS =
  'the of and flow block chunk event account contract transaction ledger trie register payload storage capability vault token deposit withdraw balance public private access self resource struct create destroy move let var fun return if else while for in import from emit prepare execute pre post auth borrow path link save load copy 0x1d7e57aa55817448 0xf233dcee88fe0abd 0x1654653399040a61 UInt64 UFix64 String Address Bool Int Array Dictionary'.split(
    ' '
  )

export type ByteGenerator =
  | { hex: string }
  | { gen: 'sha256ctr' | 'text' | 'mix'; seed: string; len: number }
  | { gen: 'repeat'; unit: ByteGenerator; len: number }
  | { gen: 'concat'; parts: ByteGenerator[] }
  | { gen: 'sparse'; step: number; len: number }
  | { gen: 'counter'; count: number }

function counterStream(seed: string, length: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(length / 32) * 32)
  const counter = Buffer.alloc(4)
  for (let i = 0; i * 32 < length; i += 1) {
    counter.writeUInt32BE(i)
    out.set(createHash('sha256').update(seed).update(counter).digest(), i * 32)
  }
  return out.subarray(0, length)
}

function mixed(seed: string, length: number): Uint8Array {
  const stream = counterStream(seed, length * 2 + 4096)
  const out = new Uint8Array(length + 600)
  let at = 0
  let next = 0
  while (at < length) {
    const [a, b, c, d] = stream.subarray(next, next + 4) as unknown as [number, number, number, number]
    next += 4
    if (at === 0 || a % 2 === 1) {
      out.set(stream.subarray(next, next + 1 + b), at)
      next += 1 + b
      at += 1 + b
    } else {
      const distance = 1 + ((b * 256 + d) % at)
      for (let i = 0; i < 4 + c; i += 1, at += 1) out[at] = out[at - distance] as number
    }
  }
  return out.subarray(0, length)
}

/** The byte generators of test/fixtures/README.md. */
export function generate(g: ByteGenerator): Uint8Array {
  if ('hex' in g) return hexBytes(g.hex)
  switch (g.gen) {
    case 'sha256ctr':
      return counterStream(g.seed, g.len)
    case 'repeat': {
      const unit = generate(g.unit)
      const out = new Uint8Array(g.len)
      for (let at = 0; at < g.len; at += unit.length) out.set(unit.subarray(0, g.len - at), at)
      return out
    }
    case 'concat':
      return new Uint8Array(Buffer.concat(g.parts.map(generate)))
    case 'sparse': {
      const out = new Uint8Array(g.len)
      for (let i = 0; i < g.len; i += g.step) out[i] = 1 + (i % 255)
      return out
    }
    case 'counter': {
      let text = ''
      for (let i = 0; i < g.count; i += 1) text += `{"type":"UInt64","value":"${i}"}`
      return new Uint8Array(Buffer.from(text))
    }
    case 'text': {
      let text = ''
      for (const byte of counterStream(g.seed, g.len)) {
        text += `${WORDS[byte % 64]} `
        if (text.length > g.len) break
      }
      return new Uint8Array(Buffer.from(text)).subarray(0, g.len)
    }
    case 'mix':
      return mixed(g.seed, g.len)
  }
}

/** Cuts bytes into slices of odd lengths, some of them empty. */
export function cut(bytes: Uint8Array, seed: number): Uint8Array[] {
  const rng = seededRng(seed)
  const out: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = Math.floor(rng.next() * Math.max(2, bytes.length / 5))
    out.push(bytes.subarray(at, at + size))
    at += size
  }
  return out
}
