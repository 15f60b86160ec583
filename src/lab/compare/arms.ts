import { LabError } from '../errors.ts'
import type { LocalnetOptions } from '../options.ts'
import { parseSettings, settableFlags, settingFaults } from '../settings.ts'

/** One side of a comparison: what its nodes differ in. */
export interface Arm {
  readonly name: string
  readonly routing: string
  readonly policy: string
  readonly security: string
  readonly profile: string
  /** Further settings, by the flag of `run`. */
  readonly settings: Readonly<Record<string, string>>
}

/** Options of an arm that a localnet has a place of its own for. */
const OWN = ['routing', 'policy', 'security', 'profile'] as const

const VALUES: Readonly<Record<(typeof OWN)[number], readonly string[]>> = {
  routing: ['none', 'dht'],
  policy: ['assigned', 'classic', 'helia'],
  security: ['tls', 'noise'],
  profile: ['standard', 'nano', 'archive']
}

/** Arms by name, as their options: `original` is what was run before caching and the end of the DHT. */
export const NAMED_ARMS: Readonly<Record<string, string>> = Object.freeze({
  sealsync: 'routing=none,policy=assigned',
  'no-dht': 'routing=none,policy=classic',
  dht: 'routing=dht,policy=classic',
  original: 'routing=dht,policy=classic,cache=0',
  helia: 'routing=none,policy=helia',
  'no-cache': 'routing=none,policy=assigned,cache=0'
})

/** A name, or `option=value,…` on what the localnet has otherwise. Throws LabError `bad-option` that says what there is. */
export function parseArm(text: string, base: Pick<LocalnetOptions, (typeof OWN)[number]>): Arm {
  const options = parseSettings(NAMED_ARMS[text] ?? text)
  if (options === undefined) {
    const names = Object.keys(NAMED_ARMS).join(', ')
    throw new LabError('bad-option', `'${text}' is no arm: give one of ${names}, or options like routing=dht,cache=0`)
  }
  const known = [...OWN, ...settableFlags()]
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw new LabError('bad-option', `arm '${text}': there is no option '${name}'; there are ${known.join(', ')}`)
  }
  for (const name of OWN) {
    const value = options[name]
    if (value !== undefined && !VALUES[name].includes(value))
      throw new LabError('bad-option', `arm '${text}': ${name} must be ${VALUES[name].join(' or ')}, not '${value}'`)
  }
  const settings = Object.fromEntries(
    Object.entries(options).filter(([name]) => !(OWN as readonly string[]).includes(name))
  )
  const [fault] = settingFaults(settings)
  if (fault !== undefined) throw new LabError('bad-option', `arm '${text}': ${fault}`)
  const own = Object.fromEntries(OWN.map((name) => [name, options[name] ?? base[name]])) as Pick<
    Arm,
    (typeof OWN)[number]
  >
  return { name: text, ...own, settings }
}
