/** Settings: one table, five sources, typed result. */
export { CONFIG_KEYS, type ConfigKey, type ConfigPath, envName } from './keys.ts'
export { type ConfigSources, type LoadedConfig, loadConfig } from './load.ts'
export { type HostPort, type NodeConfig, toNodeConfig } from './node-config.ts'
export { parseAddress } from './parse.ts'
export { renderConfig, renderEffective } from './render.ts'
