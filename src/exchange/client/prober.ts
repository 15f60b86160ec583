import { BlobCid, type DigestKey, type PeerIdText } from '../../model/index.ts'
import type { Clock, Rng, TimerWheel } from '../../util/index.ts'
import { encodeCancel, encodeWantHave } from '../message/encoder.ts'
import type { ClientLink } from './components.ts'
import { Deadline } from './deadline.ts'
import type { PeerState } from './peer-state.ts'

export interface ProberComponents {
  readonly clock: Clock
  readonly rng: Rng
  readonly wheel: TimerWheel
  readonly link: (peer: PeerIdText) => ClientLink | undefined
}

export interface ProberEvents {
  /** How long the peer may take to answer, ms, and how long a question may take to leave. */
  ackMs(state: PeerState): number
  readonly unsentMs: number
  /** It has not, and has said nothing else since the question left at `since` (the clock's time). */
  silent(state: PeerState, since: number): void
}

interface Question {
  readonly state: PeerState
  left: boolean
  /** When it left, or was to leave: on the clock, and in attended time. */
  at: number
  attendedAt: number
  deadline: Deadline | undefined
}

/**
 * Asks peers whether they are there: a want-have for a digest that nothing has, which every implementation answers with
 * DONT_HAVE. The first question, when a peer connects, gives its round trip before anything hangs on it. Then those are
 * asked who owe a block and are quiet, be it in the midst of one, and those who did not answer a want: the question waits
 * where the want did, its answer is the first thing that the peer says when it wakes, and until then no blob is risked on
 * it again.
 *
 * At most one question is open with a peer; an answer is followed by a cancel, so that nothing stays in its ledger.
 */
export class Prober {
  readonly key: DigestKey
  readonly #components: ProberComponents
  readonly #events: ProberEvents
  readonly #entry: Uint8Array
  readonly #cancel: Uint8Array
  readonly #open = new Map<PeerIdText, Question>()

  constructor(components: ProberComponents, events: ProberEvents) {
    this.#components = components
    this.#events = events
    const digest = Buffer.from(Array.from({ length: 32 }, () => Math.floor(components.rng.next() * 256)))
    const cid = BlobCid.fromKey(digest.toString('latin1') as DigestKey)
    this.key = cid.key
    this.#entry = encodeWantHave(cid.toBytes())
    this.#cancel = encodeCancel(cid.toBytes())
  }

  ask(state: PeerState): void {
    if (this.#open.has(state.peer)) return
    const { clock, wheel, link } = this.#components
    const question: Question = { state, left: false, at: clock.now(), attendedAt: wheel.now(), deadline: undefined }
    this.#open.set(state.peer, question)
    this.#watch(question)
    link(state.peer)?.queueWant(this.key, this.#entry)
  }

  left(peer: PeerIdText): void {
    const question = this.#open.get(peer)
    if (question === undefined) return
    question.left = true
    question.at = this.#components.clock.now()
    question.attendedAt = this.#components.wheel.now()
    this.#watch(question)
  }

  /** The round trip, ms, when this answers a question. */
  answered(peer: PeerIdText): number | undefined {
    const question = this.#close(peer)
    if (question !== undefined) this.#components.link(peer)?.queueCancel(this.key, this.#cancel)
    return question?.left === true ? this.#components.clock.now() - question.at : undefined
  }

  /** The stream that carried the question, or the cancel behind it, broke. */
  lost(peer: PeerIdText): void {
    const question = this.#close(peer)
    if (question === undefined) this.#components.link(peer)?.queueCancel(this.key, this.#cancel)
    else this.ask(question.state)
  }

  /** A stream that may have carried the answer broke: the peer answers once more. */
  answerLost(peer: PeerIdText): void {
    const question = this.#open.get(peer)
    if (question?.left !== true) return
    const { clock, wheel, link } = this.#components
    question.left = false
    question.at = clock.now()
    question.attendedAt = wheel.now()
    this.#watch(question)
    link(peer)?.queueWant(this.key, this.#entry)
  }

  gone(peer: PeerIdText): void {
    this.#close(peer)
  }

  #close(peer: PeerIdText): Question | undefined {
    const question = this.#open.get(peer)
    question?.deadline?.cancel()
    this.#open.delete(peer)
    return question
  }

  #watch(question: Question): void {
    const { state } = question
    question.deadline?.cancel()
    question.deadline = new Deadline(this.#components, {
      left: () => {
        const allowed = question.left ? this.#events.ackMs(state) : this.#events.unsentMs
        // A block's bytes are words too: what arrives slowly is judged by the progress clock.
        return Math.max(question.attendedAt, state.lastWordAt) + allowed - this.#components.wheel.now()
      },
      passed: () => this.#events.silent(state, question.at)
    })
  }
}
