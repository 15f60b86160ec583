/**
 * The status page: one document with its style, its script and uPlot inside, that asks `/v1/status` and `/readyz` of its own listener
 * and nothing else. Its Content-Security-Policy names the two scripts and the two styles by their hashes, so that nothing else runs even if
 * something got into it.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { clientScript } from './client.ts'
import { STYLE } from './style.ts'

export interface StatusPage {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

let made: StatusPage | undefined

/** Made when it is first asked for: most nodes are never looked at this way. Some 75 KiB are kept then. */
export function statusPage(): StatusPage {
  made ??= makePage()
  return made
}

function makePage(): StatusPage {
  const plotScript = textOf(import.meta.resolve('uplot/dist/uPlot.iife.min.js'))
  const plotStyle = textOf(import.meta.resolve('uplot/dist/uPlot.min.css'))
  // `var uPlot` of a script is a property of the window.
  const scripts = [plotScript, clientScript()]
  const styles = [plotStyle, STYLE]
  return {
    html: documentOf({ scripts, styles }),
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': [
        "default-src 'none'",
        `script-src ${scripts.map(hashOf).join(' ')}`,
        `style-src ${styles.map(hashOf).join(' ')}`,
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'"
      ].join('; '),
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-cache'
    }
  }
}

const textOf = (url: string): string => readFileSync(fileURLToPath(url), 'utf8')
const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

const tile = (title: string, id: string, below = ''): string =>
  `<div class="tile"><span class="soft">${title}</span><b id="${id}">–</b>${below === '' ? '' : `<span class="soft" id="${below}"></span>`}</div>`

function documentOf({
  scripts,
  styles
}: {
  readonly scripts: readonly string[]
  readonly styles: readonly string[]
}): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>sealsync</title>
${styles.map((text) => `<style>${text}</style>`).join('\n')}</head>
<body>
<header><h1>sealsync</h1><span id="ready" class="unknown">…</span><span id="node"></span><span class="soft" id="version"></span><span class="soft" id="uptime"></span><span class="soft" id="peer"></span></header>
<ul id="checks"></ul>
<section id="stall" hidden><strong id="stall-height"></strong><span id="stall-cid" class="id"></span><div id="stall-asked"></div></section>
<section class="tiles">
${tile('Blocks behind', 'lag')}
${tile('Height', 'height', 'feed')}
${tile('Peers', 'peers')}
${tile('Duplicate ratio', 'duplicate')}
${tile('Streams', 'streams', 'opened')}
${tile('Memory', 'memory', 'budget')}
${tile('Stored', 'stored', 'blobs')}
</section>
<h2>The last minutes</h2><section id="plots"></section>
<h2>Memory by account, <span id="accounts-total"></span></h2><section id="accounts" class="box"></section>
<h2>Peers</h2><section class="box scroll"><table><thead><tr><th>state</th><th>role</th><th class="amount">round trip</th><th>peer</th></tr></thead><tbody id="peer-rows"></tbody></table></section>
<footer><a href="/v1/status">/v1/status</a><a href="/readyz">/readyz</a><a href="/livez">/livez</a><a href="/startupz">/startupz</a><a href="/metrics">/metrics</a></footer>
${scripts.map((text) => `<script>${text}</script>`).join('\n')}
</body></html>
`
}
