/** A text of `/metrics`, read by name and labels. */
export class Scrape {
  readonly #samples: readonly Sample[]

  private constructor(samples: readonly Sample[]) {
    this.#samples = samples
  }

  /** Lines that are no samples are passed over: a comment, or something of a newer node. */
  static parse(text: string): Scrape {
    return new Scrape(text.split('\n').flatMap((line) => sampleOf(line) ?? []))
  }

  /** Every sample of the name. */
  all(name: string): readonly Sample[] {
    return this.#samples.filter((sample) => sample.name === name)
  }

  /** The sum over all samples of the name that have these labels; `undefined` when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.all(name).filter((sample) =>
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
    )
    return found.length === 0 ? undefined : found.reduce((total, { value }) => total + value, 0)
  }
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g

function sampleOf(line: string): Sample | undefined {
  const [, name, labels = '', text] = LINE.exec(line) ?? []
  if (name === undefined || text === undefined) return undefined
  const value = Number(text.replace('+Inf', 'Infinity').replace('-Inf', '-Infinity'))
  if (Number.isNaN(value)) return undefined
  const pairs = [...labels.matchAll(LABEL)].map(([, label = '', of = '']) => [label, of] as const)
  return { name, labels: Object.fromEntries(pairs), value }
}
