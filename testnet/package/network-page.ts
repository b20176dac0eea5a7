/** `npm run portal`: builds the page of a network (src/portal/network) into `dist/network`, where nodes and testnets serve it from. */
import { join } from 'node:path'
import { build } from 'vite'

const ROOT = join(import.meta.dirname, '..', '..')
const PAGE = join(ROOT, 'src', 'portal', 'network')

/** Builds it into a folder, whatever was there before; the same bytes from the same sources. */
export async function buildNetworkPage(out: string): Promise<void> {
  await build({
    root: PAGE,
    // In any folder of any server.
    base: './',
    configFile: false,
    logLevel: 'error',
    // Preact without a plugin.
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    // Nothing inline: the page's policy lets no such script run.
    build: { outDir: out, emptyOutDir: true, target: 'es2024', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  })
}

if (import.meta.main) await buildNetworkPage(join(ROOT, 'dist', 'network'))
