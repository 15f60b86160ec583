import { exchangeOptions } from '../exchange/index.ts'
import type { RoomOptions } from './profiles.ts'

/**
 * What one request may ask for at most, whoever sends it: what is above is refused with `refusedWith`, and the next request within
 * it is answered.
 */
export interface RequestLimit {
  readonly name: string
  /** The option's key, as in docs/limits.md. */
  readonly key: string
  readonly unit: 'bytes' | 'count'
  /** The most that is answered. */
  readonly value: number
  /** Who is asked: the API or admin listener over HTTP, or the exchange by a peer. */
  readonly where: 'api' | 'admin' | 'exchange'
  /** The error's code; `reset`: the stream is reset and counted, `later`: it waits its turn, `dropped`: it is passed over and counted. */
  readonly refusedWith: string
}

/** Every per-request limit of a node, for `status`. */
export function requestLimits(rooms: RoomOptions): readonly RequestLimit[] {
  const { api, admin, reader } = rooms.api
  const { maxMessageBytes, maxBlockBytes, maxEntriesPerMessage, server } = exchangeOptions(rooms.exchange)
  const limit = (
    [where, name, key]: readonly [RequestLimit['where'], string, string],
    [value, unit]: readonly [number, RequestLimit['unit']],
    refusedWith: string
  ): RequestLimit => ({ name, key, unit, value, where, refusedWith })
  return [
    limit(['api', 'description', 'api.reader.maxAnswerBytes'], [reader.maxAnswerBytes, 'bytes'], 'exceeds-limit'),
    limit(['api', 'trees at a time', 'api.reader.maxStreams'], [reader.maxStreams, 'count'], 'too-many-streams'),
    limit(['api', 'blobs at a time', 'api.api.maxBlobReads'], [api.maxBlobReads, 'count'], 'too-many-streams'),
    limit(['api', 'request target', 'api.api.maxUrlLength'], [api.maxUrlLength, 'bytes'], 'uri-too-long'),
    limit(['api', 'headers', 'api.api.maxHeaderBytes'], [api.maxHeaderBytes, 'bytes'], 'headers-too-large'),
    limit(['admin', 'JSON body', 'api.admin.maxJsonBytes'], [admin.maxJsonBytes, 'bytes'], 'body-too-large'),
    limit(['exchange', 'message', 'exchange.maxMessageBytes'], [maxMessageBytes, 'bytes'], 'reset'),
    limit(['exchange', 'block', 'exchange.maxBlockBytes'], [maxBlockBytes, 'bytes'], 'reset'),
    limit(
      ['exchange', 'entries of a message', 'exchange.maxEntriesPerMessage'],
      [maxEntriesPerMessage, 'count'],
      'dropped'
    ),
    limit(
      ['exchange', 'wants of a peer', 'exchange.server.maxWantsPerPeer'],
      [server.maxWantsPerPeer, 'count'],
      'dropped'
    )
  ]
}
