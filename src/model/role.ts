/** What a staked node does. Flow's spelling, lower case (flow-go `model/flow/role.go`). */
export const ROLES = ['access', 'execution', 'observer', 'collection', 'consensus', 'verification'] as const
export type Role = (typeof ROLES)[number]

/** The roles a sealsync process can take. */
export const NODE_ROLES = ['access', 'execution', 'observer'] as const
export type NodeRole = (typeof NODE_ROLES)[number]

export function isRole(value: unknown): value is Role {
  return typeof value === 'string' && (ROLES as readonly string[]).includes(value)
}
