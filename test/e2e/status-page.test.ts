import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { Registry } from 'prom-client'
import { type Check, createApiMetrics, defaultApiOptions, MetricsListener } from '#src/api/index.ts'
import { silentLogger } from '#src/log/index.ts'
import { systemClock } from '#src/util/index.ts'
import { ask, until } from './api-support.ts'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const skip = CHROMIUM === undefined ? 'no Chromium is installed (Debian: apt-get install chromium)' : false
/** Pictures of the page go here when it is set. */
const PICTURES = process.env['SEALSYNC_PICTURES']

const MIB = 1024 ** 2
const PEERS = 200

/** A node that moves: with 200 peers, some of them away, and a peer id that tries to be markup. */
class TestNode {
  polls = 0
  stall: object | null = null
  checks: Check[] = [{ name: 'peers', ok: true, reason: '187 of 200' }]

  status(): object {
    this.polls += 1
    const at = this.polls
    return {
      version: '0.1.0',
      revision: 'abcdef012345',
      role: 'access',
      profile: 'standard',
      variant: 'no-dht',
      peerId: 'QmPz1kQH7GkSmBvLRxmwoZfYQUydpZvNyu8PBzn9iECXwW',
      uptimeSeconds: 86_400 + at,
      heights: {
        feed: 1_000_100 + at,
        highest: 1_000_098 + at,
        consecutive: 1_000_097 + at,
        lowest: 990_000,
        prunedTo: null
      },
      blobs: { count: 31_234, bytes: 41 * 1024 * MIB },
      payloadBytes: { received: at * MIB, useful: at * 3 * MIB, duplicate: 1000, partial: 0, sent: at * at * 40_000 },
      duplicateRatio: 0.0004,
      streams: { open: 800, opened: 812, inbound: 400, outbound: 400, refused: 0 },
      connections: 187,
      cpuSeconds: at * 0.4,
      eventLoopLagMs: { p50: 1, p99: 8 + (at % 5), max: 40 },
      peers: Array.from({ length: PEERS }, (_, index) => ({
        peerId: index === 7 ? '<img src=x onerror=alert(1)>' : `Qm${String(index).padStart(44, 'x')}`,
        role: index % 10 === 0 ? 'execution' : 'access',
        connected: index % 15 !== 3,
        rttMs: index % 15 === 3 ? null : 3 + (index % 80)
      })),
      memory: {
        rssBytes: (150 + at) * MIB,
        anonBytes: 90 * MIB,
        fileBytes: 60 * MIB,
        budgetBytes: 192 * MIB,
        accounts: { cache: 61 * MIB, receive: 4 * MIB, send: 2 * MIB, decode: 0, api: 13 * MIB },
        caps: { cache: 64 * MIB, receive: 64 * MIB, send: 32 * MIB, decode: 64 * MIB, api: 16 * MIB }
      },
      stall: this.stall
    }
  }
}

async function startNode(): Promise<{
  readonly node: TestNode
  readonly port: number
  readonly stop: () => Promise<void>
}> {
  const node = new TestNode()
  const register = new Registry()
  const listener = new MetricsListener(
    {
      clock: systemClock,
      logger: silentLogger,
      metrics: createApiMetrics(register),
      register,
      checks: () => node.checks,
      started: () => true,
      stopping: () => false,
      status: async () => node.status()
    },
    { ...defaultApiOptions.metrics, port: 0, stopDeadlineMs: 300 }
  )
  await listener.start()
  return { node, port: listener.address?.port ?? 0, stop: () => listener.stop() }
}

interface View {
  readonly page: Page
  /** What the browser complained about, and what was asked of anybody else. */
  readonly faults: string[]
}

async function openPage(
  browser: Browser,
  port: number,
  look: { readonly width: number; readonly dark: boolean }
): Promise<View> {
  const faults: string[] = []
  const context = await browser.newContext({
    viewport: { width: look.width, height: 900 },
    colorScheme: look.dark ? 'dark' : 'light'
  })
  const page = await context.newPage()
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('request', (request) => {
    if (!request.url().startsWith(`http://127.0.0.1:${port}/`)) faults.push(`asked ${request.url()}`)
  })
  await page.goto(`http://127.0.0.1:${port}/`)
  await page.locator('#peer-rows tr').first().waitFor()
  return { page, faults }
}

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return
  mkdirSync(PICTURES, { recursive: true })
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true })
}

const textOf = (page: Page, id: string): Promise<string | null> => page.textContent(`#${id}`)
const numberOf = (page: Page, script: string): Promise<number> => page.evaluate(script)

test('the page is one document that its policy lets run, and nothing else', async () => {
  const { port, stop } = await startNode()
  const answer = await ask({ port }, '/status')
  const policy = String(answer.headers['content-security-policy'])
  assert.match(
    policy,
    /^default-src 'none'; script-src 'sha256-\S+ 'sha256-\S+; style-src 'sha256-\S+ 'sha256-\S+; connect-src 'self';/
  )
  assert.doesNotMatch(policy, /unsafe/)
  const html = answer.body.toString()
  assert.doesNotMatch(html, /(?:src|href)="(?!\/)|@import|url\(/)
  assert.ok(html.length < 100_000, `${html.length} characters`)
  assert.equal((await ask({ port }, '/')).body.toString(), html)
  await stop()
})

test('a browser shows what the node says: on a desk and a phone, in the light and the dark', { skip }, async () => {
  const { node, port, stop } = await startNode()
  const browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] })
  try {
    for (const [name, look] of [
      ['desk-light', { width: 1280, dark: false }],
      ['desk-dark', { width: 1280, dark: true }],
      ['phone-dark', { width: 375, dark: true }]
    ] as const) {
      const { page, faults } = await openPage(browser, port, look)
      assert.equal(await numberOf(page, 'document.querySelectorAll("#peer-rows tr").length'), PEERS)
      assert.equal(await textOf(page, 'lag'), '3')
      assert.equal(await textOf(page, 'peers'), '186 / 200')
      assert.equal(await textOf(page, 'duplicate'), '0.04 %')
      assert.equal(await textOf(page, 'streams'), '800')
      assert.equal(await textOf(page, 'ready'), 'ready')
      assert.equal(await numberOf(page, 'document.querySelectorAll("progress").length'), 5)
      assert.equal(await numberOf(page, 'document.querySelectorAll("#plots canvas").length'), 8)
      const polls = node.polls
      await until(() => node.polls > polls + 1)
      await picture(page, name)
      const [inner, outer] = [
        await numberOf(page, 'document.documentElement.scrollWidth'),
        await numberOf(page, 'document.documentElement.clientWidth')
      ]
      assert.ok(inner <= outer, `${name}: ${inner} px in ${outer}`)
      assert.deepEqual(faults, [])
      await page.context().close()
    }
  } finally {
    await browser.close()
    await stop()
  }
})

test('a stall, a check that does not hold and a node that is gone are told', { skip }, async () => {
  const { node, port, stop } = await startNode()
  node.stall = {
    height: 1_000_042,
    cid: 'QmWmyoMoctfbAaiEs2G46gpeUmhqFRDW6KWo64y5r581Vz',
    askedPeers: 6,
    lastAnswerMsAgo: 31_000,
    nextTryMs: 4_000
  }
  node.checks = [{ name: 'stall', ok: false, reason: 'stalled at height 1000042' }]
  const browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] })
  try {
    const { page } = await openPage(browser, port, { width: 375, dark: false })
    assert.equal(await textOf(page, 'stall-height'), 'Stalled at 1,000,042')
    assert.match((await textOf(page, 'stall-asked')) ?? '', /asked 6 peers, last answer 31 s ago, next try in 4 s/)
    await page.locator('#ready', { hasText: 'not ready' }).waitFor()
    assert.match((await textOf(page, 'checks')) ?? '', /stalled at height 1000042/)
    await picture(page, 'phone-stalled')
    await stop()
    await page.locator('#ready', { hasText: 'no answer' }).waitFor()
  } finally {
    await browser.close()
    await stop()
  }
})
