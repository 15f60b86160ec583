import { AppError } from '../util/index.ts'

/**
 * - `bad-option`: an option that cannot be followed, or two that contradict one another; the message names them and the remedy.
 * - `bad-source`: a block source that is missing or broken: which file, which line.
 * - `node-died`: a process ended that should have run; `details` has `name`, `exitCode`, `signal` and `lastLines`.
 * - `not-ready`: a node did not come up, or the mesh did not close, in time.
 * - `ingest-failed`: an execution node did not take a block.
 * - `bad-answer`: a node answered something that is not what its interface promises.
 * - `prometheus-unreachable`: a Prometheus does not answer, or not in time; the message names its address.
 * - `prometheus-refused`: a Prometheus answers, and not with what was asked for; the message has its words.
 * - `no-cgroup`: no memory cgroup can be made on this machine, or not by this user; the message says what was tried.
 * - `bad-target`: what is to be hammered is not a sealsync node, or does not answer.
 * - `interrupted`: the run was told to stop before it had anything to report.
 */
export type LabErrorCode =
  | 'bad-option'
  | 'bad-source'
  | 'node-died'
  | 'not-ready'
  | 'ingest-failed'
  | 'bad-answer'
  | 'prometheus-unreachable'
  | 'prometheus-refused'
  | 'no-cgroup'
  | 'bad-target'
  | 'interrupted'

export class LabError extends AppError<LabErrorCode> {}
