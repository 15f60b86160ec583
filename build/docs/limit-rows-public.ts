import type { LimitSection } from './limit-row.ts'

const REFUSED = (reason: string): string[] => [`sealsync_p2p_public_refusals_total{reason="${reason}"}`]

/** What anybody can make grow who comes to an access node's public host. Nothing of it takes from the staked peers. */
export const PUBLIC_LIMITS: LimitSection = {
  title: 'Observers',
  rows: [
    {
      limits: ['setting:public.max-observers', 'guests.maxObservers', 'guests.maxPerAddress'],
      defends: 'memory and sockets: observers in all and of one address',
      at: 'the connection is refused',
      counters: [...REFUSED('full'), ...REFUSED('address-full')]
    },
    {
      limits: ['guests.maxPending', 'guests.maxPendingPerAddress'],
      defends: 'CPU: handshakes under way, in all and of one address',
      at: 'the socket is closed before the handshake',
      counters: REFUSED('pending')
    },
    {
      limits: ['guests.handshakesPerSecond', 'guests.handshakeBurst'],
      defends: 'CPU: handshakes begun',
      at: 'as above',
      counters: REFUSED('rate')
    },
    {
      limits: ['setting:public.upload-rate'],
      defends: "the link: bytes of blobs to all observers together; the staked peers' have no share in it",
      at: 'blobs wait their turn',
      counters: ['network_bitswap_data_sent{prefix="public-execution-data-service"}']
    },
    {
      limits: ['src/node/public-stage.ts#SEND_BYTES', 'src/node/public-stage.ts#SEND_PART'],
      defends:
        "memory: blocks on their way to observers, at most so many bytes and at most that part of the budget's account `send`",
      at: 'blocks wait in the queue, by turns for each observer',
      counters: ['sealsync_exchange_public_send_in_flight_bytes', 'sealsync_budget_reserved_bytes{account="send"}']
    },
    {
      limits: ['relay.maxPerHeight', 'relay.retentionHeights', 'relay.maxQueued'],
      defends: 'the disk: announcements kept for observers, of one height, in heights, and on their way to the disk',
      at: 'not kept; the oldest heights go',
      counters: [
        'sealsync_provider_relayed_announcements_total{outcome="full"}',
        'sealsync_provider_relayed_announcements_total{outcome="dropped"}'
      ]
    }
  ]
}
