// What keeps the bundle's process small: less of Node, of ICU and of WebAssembly is loaded than the sources and their packages would.
import { readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { fileURLToPath } from 'node:url'

const BUILTINS = new Set(builtinModules)

/**
 * An `import` of one of Node's own modules reads everything that it exports, and so loads what nobody uses: for `node:http` all of
 * undici, because there is a WebSocket in it. Asked for by function, a module gives only what is taken of it.
 */
const lazyBuiltins = {
  name: 'lazy-builtins',
  setup(build) {
    build.onResolve({ filter: /^[\w:/]+$/ }, ({ path }) => {
      const name = path.replace(/^node:/, '')
      return BUILTINS.has(name) ? { path: name, namespace: 'builtin' } : undefined
    })
    build.onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('node:${path}')`
    }))
  }
}

/** libp2p orders ASCII names by ICU's collation, which takes 2.6 MiB, where any fixed order does. */
const plainOrder = {
  name: 'plain-order',
  setup(build) {
    build.onLoad({ filter: /@libp2p[\\/]peer-(record|store)[\\/].*\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      const compare = '((a, b) => (a < b ? -1 : a > b ? 1 : 0))'
      return { contents: text.replace(/(\S+)\.localeCompare\((.+)\);/g, `${compare}($1, $2);`) }
    })
  }
}

const nativeCiphers = {
  name: 'native-ciphers',
  setup(build) {
    const path = fileURLToPath(new URL('./native-ciphers.mjs', import.meta.url))
    build.onResolve({ filter: /^@chainsafe\/as-(chacha20poly1305|sha256)$/ }, () => ({ path }))
  }
}

export const LEAN_PLUGINS = [lazyBuiltins, plainOrder, nativeCiphers]
