import { Counter, Gauge, type Registry } from 'prom-client'
import { labelSets } from '../../util/index.ts'

export type AnnounceMetrics = ReturnType<typeof createAnnounceMetrics>

export function createAnnounceMetrics(register: Registry) {
  const registers = [register]
  const counter = <L extends string = never>(
    name: string,
    help: string,
    labels?: Readonly<Record<L, readonly string[]>>
  ): Counter<L> => {
    const made = new Counter({ name, help, labelNames: Object.keys(labels ?? {}) as L[], registers })
    if (labels !== undefined) for (const set of labelSets(labels)) made.inc(set, 0)
    return made
  }
  return {
    received: counter(
      'sealsync_p2p_announce_received_total',
      'Authentic announcements handed on, by kind (live, replay).',
      { kind: ['live', 'replay'] }
    ),
    repeats: counter(
      'sealsync_p2p_announce_repeats_total',
      'Announcements that came again and were not verified again.'
    ),
    verifications: counter('sealsync_p2p_announce_verifications_total', 'Signatures checked.'),
    faults: counter('sealsync_p2p_announce_faults_total', 'Faults of announcing peers, by reason.', {
      reason: ['wrong-role', 'malformed', 'bad-signature', 'unasked']
    }),
    overRate: counter(
      'sealsync_p2p_announce_over_rate_total',
      'Announcements and requests dropped for their rate, by kind.',
      { kind: ['announcement', 'repeat', 'request'] }
    ),
    opens: counter('sealsync_p2p_announce_opens_total', 'Streams opened to execution nodes, by outcome.', {
      outcome: ['ok', 'failed']
    }),
    requestsSent: counter('sealsync_p2p_announce_requests_sent_total', 'Ranges asked for.'),
    requests: counter(
      'sealsync_p2p_announce_requests_total',
      'Ranges peers asked for, by outcome (served, refused, failed).',
      { outcome: ['served', 'refused', 'failed'] }
    ),
    replayed: counter('sealsync_p2p_announce_replayed_total', 'Announcements sent in answer to requests.'),
    published: counter('sealsync_p2p_announce_published_total', 'Announcements published by this node.'),
    liveDropped: counter(
      'sealsync_p2p_announce_live_dropped_total',
      'Live announcements dropped because a peer was too slow.'
    ),
    listeners: new Gauge({
      name: 'sealsync_p2p_announce_listeners',
      help: 'Peers that listen to this node.',
      registers
    }),
    announcers: new Gauge({
      name: 'sealsync_p2p_announce_announcers',
      help: 'Execution nodes this node listens to.',
      registers
    })
  }
}
