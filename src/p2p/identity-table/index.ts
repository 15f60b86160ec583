export { canonicalIp, formatHostPort, type HostPort, parseHostPort, toMultiaddrText } from './address.ts'
export {
  type IdentityEntry,
  identityEntryFor,
  MAX_IDENTITIES,
  MAX_IDENTITY_FILE_BYTES,
  parseIdentities,
  readIdentities
} from './parse.ts'
export { IdentityTable, type StakedSet, type TableChange } from './table.ts'
