import { AppError } from '../util/index.ts'

export type NodeErrorCode =
  /** A flag, environment variable or file key is unknown or has a value it cannot have. `details.problems`: one line each. */
  | 'config'
  /** The network key does not belong to the entry of the identity table that names this node. */
  | 'wrong-key'
  /** `init` was asked to make a data directory where there is one. */
  | 'exists'
  /** The whole node is winding down already. */
  | 'winding-down'
  /** The directory is what is left of a node that was wound down. */
  | 'wound-down'
  /** The node could not stop within its time limit. */
  | 'stop-timeout'

/** Errors of the composition root: what is wrong before or around the rooms. */
export class NodeError extends AppError<NodeErrorCode> {}
