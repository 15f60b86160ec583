/** Admin listeners in directories of their own, which go when the tests of the file are over. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { Registry } from 'prom-client'
import {
  AdminClient,
  AdminListener,
  type AdminPorts,
  type AdminRoute,
  createAdminRoutes,
  createApiMetrics,
  defaultApiOptions
} from '#src/api/index.ts'
import { systemClock } from '#src/util/index.ts'
import { MemoryArchive, recordingLogger, startApi } from './api-support.ts'

const root = mkdtempSync(join(tmpdir(), 'sealsync-test-'))
after(() => rmSync(root, { recursive: true, force: true }))
let directories = 0

export function freshDir(): string {
  directories += 1
  const dir = join(root, String(directories))
  mkdirSync(dir)
  return dir
}

type Options = Partial<typeof defaultApiOptions.admin> & { readonly fallbackDir?: string }

export function createAdmin(dataDir: string, routes: readonly AdminRoute[], options: Options = {}) {
  const register = new Registry()
  const metrics = createApiMetrics(register)
  const listener = new AdminListener(
    { clock: systemClock, logger: recordingLogger([]), metrics, routes },
    { ...defaultApiOptions.admin, dataDir, fallbackDir: root, stopDeadlineMs: 300, ...options }
  )
  return { listener, register }
}

export const clientOf = (dataDir: string, options = defaultApiOptions.client): Promise<AdminClient> =>
  AdminClient.connect(dataDir, { clock: systemClock }, options)

/** A running admin listener with the routes of a node over an archive. */
export async function startNode(ports: Partial<AdminPorts> = {}, options: Options = {}) {
  const archive = new MemoryArchive()
  const api = await startApi(archive)
  const calls: unknown[] = []
  const all: AdminPorts = {
    status: async () => ({ role: 'access' }),
    peers: async () => ({ peers: [] }),
    setLogLevel: (level, room) => {
      calls.push([level, room])
      return room !== 'kitchen'
    },
    stop: () => calls.push('stop'),
    tracker: archive,
    reader: api.reader,
    ...ports
  }
  const dataDir = freshDir()
  const admin = createAdmin(dataDir, createAdminRoutes(all), options)
  await admin.listener.start()
  const client = await clientOf(dataDir)
  const stop = async (): Promise<void> => {
    await admin.listener.stop()
    await api.listener.stop()
  }
  return { archive, api, dataDir, client, calls, stop, ...admin, socketPath: admin.listener.path ?? '' }
}
