import { parentPort } from 'node:worker_threads'
import { trial } from './chaos.ts'

/** Takes seeds, gives trials. */
parentPort?.on('message', (seed: number) => {
  void trial(seed).then((result) => parentPort?.postMessage(result))
})
