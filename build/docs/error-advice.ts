/** Advice for several codes at once. */
const BUG = 'A fault of this program. Restart the node; report it with the log lines before it.'
const RETRIED = 'Nothing: the node tries again by itself.'
const ORDERLY = 'Nothing: part of an orderly stop.'
const PEER = 'Nothing: the peer is at fault and is stopped or disconnected. If it is one of yours, see its log.'
const REQUEST = 'Mend the request; the message says what is wrong.'
const NOT_YET = 'Ask again later, or ask another node.'
const DATA =
  'The bytes are what the execution data id names: no other copy helps. The height is halted; see "Stalls" in operations.md.'

/**
 * What to do about each code, by room. Codes and meanings come from the sources; this table has to name exactly the same codes,
 * or `npm run docs` says which differ.
 */
export const ERROR_ADVICE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  api: {
    'bad-request': REQUEST,
    'bad-height': REQUEST,
    'bad-block-id': REQUEST,
    'bad-cid': REQUEST,
    'bad-format': REQUEST,
    'bad-json': REQUEST,
    'unexpected-body': REQUEST,
    'origin-refused': 'Use the command line instead of a browser.',
    'not-found': 'See README.md for the paths of each listener.',
    'unknown-height': '`lowest` and `highest` in the answer say what is here. Ask another node for the rest.',
    pruned: 'Ask a node that keeps more.',
    'unknown-block': 'Ask by height, or ask another node.',
    'unknown-blob': NOT_YET,
    'method-not-allowed': REQUEST,
    'body-timeout': 'See why the client stopped sending.',
    'body-too-large': REQUEST,
    'uri-too-long': REQUEST,
    'exceeds-limit':
      'Ask for less, or another way: a CAR is streamed, whatever its size. `limit` in the answer is the key of what would have to be raised (docs/nano.md).',
    'host-not-allowed': 'Call it as `localhost` or by a loopback address; a proxy has to pass such a `Host`.',
    'too-many-streams': 'Ask again in a moment, with fewer transfers at a time.',
    'too-many-scrapes': 'See how many scrapers there are and how long their interval is.',
    internal: 'Look in the log for "a request failed"; report what it says.',
    'not-available': NOT_YET,
    overloaded: 'Ask again in a moment. If it lasts, see `sealsync_budget_refused_total`.',
    stopping: 'Ask another node.',
    'address-in-use': 'Stop the other process, or choose another port. The message names the flag.',
    'address-unavailable': 'Give an address of this machine; ports below 1024 need rights.',
    'socket-in-use': 'Stop the other node of this data directory first.',
    'socket-path-taken': 'Move the file away.',
    'socket-path-too-long': 'Choose a shorter `--data-dir`, or a shorter `TMPDIR`.',
    'listen-failed': 'The message has the reason of the operating system.',
    'slow-reader': 'See the client; a reader has to take 64 KiB within the write deadline.',
    'client-gone': 'Nothing.',
    'not-running': 'Start the node, or give the right `--data-dir`.',
    refused: 'The message says why the node refused.',
    'bad-answer': 'Use the release of the command line that the node runs.',
    'connection-lost': 'See whether the node still runs: `sealsync status`.',
    timeout: 'See whether the node is busy: event loop lag in `sealsync status --json`.'
  },
  cmd: { usage: 'Mend the call: `sealsync help COMMAND` shows its flags.' },
  exchange: {
    stopped: ORDERLY,
    'message-too-large': PEER,
    'block-too-large': PEER,
    malformed: PEER,
    'peer-gone': RETRIED,
    'stream-closed': RETRIED,
    'bad-option': 'Mend the setting that the message names.',
    'helia-not-installed': 'Install the package where the message says, or leave `--policy helia` out.',
    unsupported: 'Nothing: the peer is of another release, or no blob node. Asked again when it connects anew.'
  },
  'execution-data': {
    'lz4-malformed': DATA,
    'cbor-malformed': DATA,
    'code-unexpected': DATA,
    'tree-malformed': DATA,
    'cid-unusable': DATA,
    'blob-too-large': DATA,
    'block-mismatch': DATA,
    'limit-exceeded': DATA,
    'blob-missing': 'From `export`: the block is not whole here; see `sealsync status`. Otherwise it is fetched.',
    'blob-mismatch': BUG,
    'memory-refused': 'Fewer transfers at a time, or more `--memory-budget`.',
    'encode-refused': BUG,
    'car-malformed': 'Get the file again; the others of the import are taken.',
    'car-truncated': 'Get the file again; what it held before the break is kept.',
    'car-mismatch': 'Get the file again; it is damaged.'
  },
  feed: {
    stopped: ORDERLY,
    ended: 'Nothing: the block list has been read to its end. Give `--follow` to wait for more.',
    released: BUG,
    'not-offered': 'The block list begins higher than the node has to go on: give a list that reaches back.',
    'malformed-line': 'Mend the line of the block list.',
    'line-too-long': 'See whether the file is a block list at all.',
    gap: 'Complete the block list: every height, ascending by one.',
    truncated: 'Append to a followed list, never shorten it. Restart the node.',
    replaced: 'Append to a followed list, never replace it. Restart the node.',
    unreadable: 'See whether the path is right and the node may read it.',
    'host-unreachable':
      'See whether the host of `flow-access:` runs and can be reached from here; others are asked meanwhile.',
    'host-timeout': 'The host does not answer in time. Name others beside it.',
    'host-refused': 'The host says no; the text has its reason. It may limit how often it is asked.',
    'not-found': 'The host does not have the block, or its result, yet. Nothing to do.',
    'execution-data-id-empty': 'The host does not tell execution data ids. Name another.',
    'answer-malformed': 'The host is faulty, lies, or is of another network. Name another.',
    'answer-too-large': 'As for `answer-malformed`.'
  },
  lab: {
    'bad-option': 'Mend the call; the message says how.',
    'bad-source': 'Mend the source: the message names file and line.',
    'node-died': 'Read the log of that node; with `--out DIR` it stays in `DIR/NAME.log`.',
    'not-ready': 'See the logs; a busy machine may need fewer nodes.',
    'ingest-failed': 'Read the log of the execution node.',
    'bad-answer': BUG,
    'prometheus-unreachable': 'Check `--url` and that the server runs; raise `--timeout` when it is busy.',
    'prometheus-refused': 'The message has its words. Check that `--url` is a Prometheus, and the matchers.',
    'no-cgroup': 'Run the hammer as root, or in a cgroup that was delegated to you; `--no-limit` goes on without one.',
    'bad-target':
      'Give the p2p address of a node with `--against`, its metrics listener with `--metrics-address`, and the key of an entry of its identity table with `--network-key-file`.',
    interrupted: 'Nothing.'
  },
  node: {
    config: 'Mend what the message names; `sealsync config validate` checks without starting.',
    'winding-down': 'Nothing: it is on its way. See `windDown` in the status.',
    'wound-down': 'Give another data directory; this one holds only the record of what the node did at its end.',
    'wrong-key': 'Put the entry that `sealsync init` printed into the identity table, or give the right `--data-dir`.',
    exists: 'Run the node that is there, or choose another `--data-dir`.',
    'stop-timeout':
      'Nothing acknowledged is lost. If it happens again, raise `--stop-timeout` and see which service is late.'
  },
  p2p: {
    'key-invalid': 'Give 32 bytes of hex that are a P-256 private key.',
    'key-file-missing': 'Give the right `--data-dir`, or make one with `sealsync init`.',
    'key-file-exists': 'Move the old key away first; it is who the node was.',
    'key-file-permissions': '`chmod 600` the file, and consider who may have read it.',
    'key-file-invalid': 'Restore `keys/network.key` from the backup.',
    'identity-keys-not-registered': 'Start the node by `sealsync`, not by a script of its own.',
    'identity-table-invalid': 'Mend the file that `--identities` names.',
    'identity-entry-invalid': 'Mend the entry; the message names its number (0 is the first) and field.',
    'address-in-use': 'Stop the other process, or choose another `--p2p-address`.',
    'listen-failed': 'Give a `--p2p-address` of this machine.',
    'listener-closed': 'The node ends. See why the operating system closed the socket; restart.',
    'host-started': BUG,
    'option-invalid': 'Mend the setting that the message names.',
    'announcement-malformed': PEER,
    'dht-not-installed': 'Install the two packages that the message names, or run with `--routing none`.'
  },
  provider: {
    'option-invalid': 'Mend the setting that the message names.',
    'already-started': BUG,
    'blob-too-large': 'The CAR is not of this network: blobs have at most 1 MiB.',
    'ingest-busy': 'Send fewer blocks at a time.',
    'height-pruned': 'Nothing: the node will not hold this height again.',
    'not-ascending': BUG,
    stopped: ORDERLY,
    broken: 'The node ends. The cause behind the message says which part failed; mend that, restart.'
  },
  requester: {
    'option-invalid': 'Mend the setting that the message names.',
    'already-started': BUG,
    'attempt-timeout': RETRIED,
    superseded: 'Nothing: the right block is fetched. See "When execution nodes disagree" in operations.md.',
    stopped: ORDERLY,
    'illegal-transition': BUG,
    broken: 'The node ends. The cause behind the message says which part failed; mend that, restart.'
  },
  store: {
    locked: 'Stop the process that the message names, or choose another `--data-dir`.',
    'newer-version': 'Start the newer release again; an older one cannot read what it wrote.',
    'old-version': 'Start the release that wrote it, or begin anew with an empty directory and the old key.',
    corrupt: 'Restore the data directory from the backup, or begin anew with an empty one and the old key.',
    'disk-full': 'Make room, then start the node again.',
    'not-writable': 'See owner, mode and mount of the data directory.',
    io: 'Look at the disk (`dmesg`); restart on a sound one.',
    'too-large': PEER,
    overloaded: RETRIED,
    closed: BUG
  },
  pruner: {
    'option-invalid': 'Mend the settings `pruner.*`; the message says what cannot be.',
    'not-held': 'Give a height that is not above the consecutive one; see heights in the status.',
    stopped: ORDERLY
  },
  tracker: {
    corrupt: 'Restore the data directory from the backup, or begin anew with an empty one and the old key.',
    'too-many-cids': DATA,
    'blobs-gone': RETRIED
  }
}
