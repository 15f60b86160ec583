/**
 * Reads a JSON array some entries at a time. `JSON.parse` of a whole file near the bound takes up to a quarter of a second when the file
 * is made for that (millions of tiny values), and nothing else runs meanwhile.
 */

/** Characters after which a batch ends with its entry, and the most that one entry may have: Flow's have some 700. */
const BATCH_CHARS = 32_768

const [QUOTE, COMMA, OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN, CLOSE] = [34, 44, 91, 92, 93, 123, 125]

/**
 * Gives the entries in order, in batches of at most `2 × BATCH_CHARS` characters: what a step costs does not depend on the text. Throws
 * SyntaxError for what is no JSON array, or has a longer entry, when it comes to the place.
 */
export function* arrayBatches(text: string): Generator<readonly unknown[], void, undefined> {
  const start = text.charCodeAt(0) === 0xfeff ? 1 : 0
  const open = start + text.slice(start).search(/[^ \t\r\n]/)
  if (text.charCodeAt(open) !== OPEN_LIST) throw new SyntaxError('no array')
  let from = open + 1
  for (;;) {
    const end = batchEnd(text, from)
    const last = text.charCodeAt(end) === CLOSE_LIST
    const batch = JSON.parse(`[${text.slice(from, end)}]`) as readonly unknown[]
    if (batch.length === 0 && !(last && from === open + 1)) throw new SyntaxError('a comma without an entry')
    yield batch
    from = end + 1
    if (last) break
  }
  if (/[^ \t\r\n]/.test(text.slice(from))) throw new SyntaxError('more text behind the array')
}

/** Where the comma or bracket stands that ends the batch, strings and nested values being skipped. What is between is not checked. */
function batchEnd(text: string, from: number): number {
  const limit = Math.min(text.length, from + 2 * BATCH_CHARS)
  let depth = 0
  for (let at = from; at < limit; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = stringEnd(text, at, limit)
    else if (code === OPEN || code === OPEN_LIST) depth += 1
    else if (code === CLOSE || code === CLOSE_LIST) {
      if (depth === 0 && code === CLOSE_LIST) return at
      depth -= 1
      if (depth < 0) throw new SyntaxError('a brace closes nothing')
    } else if (code === COMMA && depth === 0 && at - from >= BATCH_CHARS) return at
  }
  throw new SyntaxError(limit === text.length ? 'it breaks off' : `an entry of more than ${BATCH_CHARS} characters`)
}

/** The closing quote, or `limit` when there is none before. */
function stringEnd(text: string, open: number, limit: number): number {
  let at = open + 1
  while (at < limit && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1
  return at
}
