/** Loaded before a test (`--import`): every `platform.ts` that has one for browsers beside it is that one, so that a test of Node runs on what browsers take. */
import { existsSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context)
    if (!resolved.url.endsWith('/platform.ts')) return resolved
    const url = resolved.url.replace(/\/platform\.ts$/, '/platform.browser.ts')
    return existsSync(fileURLToPath(url)) ? { ...resolved, url } : resolved
  },
})
