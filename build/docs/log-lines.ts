import { logCalls } from './log-calls.ts'
import { code, table } from './markdown.ts'

/** What to make of each line at `warn` or `error`. The messages are the sources' own, and have to be exactly these. */
const MEANING: Readonly<Record<string, string>> = {
  'a request failed': 'A fault of this program, or of the disk: `err` has the cause. Report it.',
  'an answer was cut half way': 'A blob could not be read while it was being sent; the client saw a reset.',
  'peer broke the rules of the exchange, disconnecting it':
    'See "Peers" in limits.md; `peer` is in the identity table.',
  'execution data is malformed': 'The height is halted; see "Stalls".',
  'execution nodes announced different data for one height':
    'See "When execution nodes disagree". `first` and `second` name the announcers.',
  'the last run did not end in order; what it had acknowledged is all there': 'Nothing to do. See why it was killed.',
  'cannot see how full the disk is': 'The readiness check `disk` is blind until it can.',
  'the disk is nearly full: nothing more is fetched until there is room':
    'Make room now, or set `--retention`. The node serves and prunes on, and goes on by itself when there is room; it stops in order before the disk is full.',
  'memory is short: requests are refused until it eases':
    'The process nears its limit. Syncing goes on; see "Disk and memory" for what each level gives up. Raise `--memory` if it lasts.',
  'service failed': 'The node stops. `service` and `error` say what failed.',
  'announcements for observers are not kept; who lacks them asks another node':
    'The database refused a write: `reason`. See "Full disk".',
  'a host of the access API failed; others are asked':
    'Told once until it answers again. `outcome` is an error code of the feed, see errors.md.',
  'a host of the access API went back in height':
    'It was restored from older data, or hosts of different age share its address. What was settled stays.',
  'hosts of the access API give different data for one height':
    'One of them lies, or is of another network: `said` has what each says. The quorum decides.',
  'the identity table cannot be read; the one in force stays':
    'The file was changed and is wrong: `error` names the entry and the field. Mend it; it is read again by itself.',
  'the identity table has no place for this node: its peers will not talk to it':
    '`why`: its entry is missing, or ejected. Readiness fails until the table has it again.',
  'did not stop': 'The stop goes on without it; exit code 70 follows when it was too late.',
  'fault of an announcing peer; its stream is reset':
    'An execution node sent what it must not: `why`. Tell its operator.',
  'malformed request for announcements': 'A peer asked for announcements wrongly; seldom more than an odd release.',
  'announcements could not be read': 'The database of this execution node failed: `error`.',
  'peer misbehaved; disconnecting it': 'It is kept out for the cooldown. Tell its operator.',
  'an announcement of the log cannot be read; it is left out':
    'Access nodes learn of the height from other execution nodes.',
  'an announcement was not sent out; peers find it by replay': 'Nothing to do.',
  'the provider stops though some of its work has not ended': 'Nothing acknowledged is lost.',
  'a block cannot be announced: its blob tree is not complete in the store':
    'This execution node lacks blobs of the block: import or ingest it; `missing` counts them. Later heights wait.',
  'the feed names another block than the one known for the height; the quorum decides':
    'See "When execution nodes disagree".',
  'the quorum settled on another block than the one first announced; that one is dropped':
    'See "When execution nodes disagree". `taken` was wrong.',
  'the quorum settled on another block than the one first announced; its execution data is fetched anew':
    'See "When execution nodes disagree". Clients may have read `taken`.',
  'the execution data of a height is malformed: the height is halted and not asked for again; others go on':
    'See "Stalls", reason `malformed`.',
  'a height is handed on without a quorum: no source offers it any more': 'See "A height that nobody offers any more".',
  'a listener failed; it gets the height again': 'Notification waits for it: `reason`.',
  'the requester stops though some of its work has not ended': 'Nothing acknowledged is lost.',
  'sync has stalled': 'See "Stalls".',
  'the start height is not used: this data directory has progress from another one, which goes on; an empty data directory begins anew':
    'Take the flag away, or give an empty data directory with the old key.',
  'blob damaged on disk, dropped':
    'The disk gave back other bytes than were written. Look at the disk; import the block anew from another node.',
  'a step of pruning failed; it is taken again':
    'See `error`: most often the disk refuses writes. Nothing that is kept is touched; pruning waits and tries again.',
  'the record of the wind-down is not written':
    'The disk refuses writes: `error`. A kill now would repeat some of the work, nothing else.',
  'the verification of the store failed': 'See `error`: most often the disk cannot be read. Mend it and begin again.',
  'the newest heights are not in the cache':
    'Only what `memory.preload-heights` asks for is missing: `error` says why. The node works, and reads them when they are asked for.',
  'a damaged blob is not noted on the disk: after a restart it is repaired only when it is asked for':
    'The disk refuses writes: `error`.',
  'index of the blobs not written': 'The disk refuses writes: `reason`. Nothing acknowledged is lost.',
  'segment file is damaged or cut short: it is read and not written on':
    'The disk or somebody changed a file of `blobs/`. Look at the disk. What is still good of it is served, and moves to another file in time.',
  'segment file set aside: nothing of it is used, delete it when you have looked at it':
    'A file of `blobs/` is not one that this store wrote there, or its head is damaged (`reason`). It has the ending `.aside` now.',
  'segment files are missing, cut short or not ours: what they held is fetched again when it is needed':
    'Somebody changed `blobs/`, or the disk lost files. `blobs` were dropped from the index. Look at the disk.',
  'a block is stored but its content is not checked: it needs more memory than the budget gives to decoding':
    'Its blobs are verified and served; whether it decodes is not known. Raise `--memory-budget`.',
  'blobs indexed again, with damaged bytes between them': 'The disk lost bytes that it had confirmed. Look at the disk.'
}

/** Every line at `warn` and `error`, by room. Throws for one without a meaning, and for a meaning without a line. */
export function logTable(): string {
  const calls = logCalls()
  const faults = [
    ...calls
      .filter(({ message }) => MEANING[message] === undefined)
      .map(({ file, message }) => `build/docs/log-lines.ts: nothing says what '${message}' (${file}) means`),
    ...Object.keys(MEANING)
      .filter((message) => !calls.some((call) => call.message === message))
      .map((message) => `build/docs/log-lines.ts: nothing logs '${message}'`)
  ]
  if (faults.length > 0) throw new Error(faults.join('\n'))
  const rows = calls.map(({ file, level, message }) => [
    file.split('/')[1] ?? '',
    level,
    code(message),
    MEANING[message] ?? ''
  ])
  const distinct = new Map(rows.map((row) => [row.slice(0, 3).join(), row]))
  return table(['from', 'level', 'message', 'what it means, what to do'], [...distinct.values()])
}
