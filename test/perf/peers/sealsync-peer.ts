/** This project's peer; see README.md. */
import { serveLines } from './line-protocol.ts'
import { close, commands } from './sealsync-node.ts'

await serveLines(commands, close)
