/** `npm run docs`: writes the pages that are made from the sources. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from '../laws.ts'
import { madePages } from './pages.ts'

for (const [path, text] of madePages().pages) {
  mkdirSync(dirname(join(ROOT, path)), { recursive: true })
  writeFileSync(join(ROOT, path), text)
  process.stdout.write(`${path}\n`)
}
