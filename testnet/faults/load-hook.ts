/** Replaces places of the node's sources when they are loaded, in this process alone. */
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Edit } from './edits.ts'

const SOURCES = join(import.meta.dirname, '..', '..', 'src')

/** @throws Error where a text does not stand in its file exactly once: when the file is loaded */
export function editSources(edits: readonly Edit[]): void {
  const byPath = Map.groupBy(edits, ({ file }) => join(SOURCES, `${file}.ts`))
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context)
      const own = url.startsWith('file:') ? byPath.get(fileURLToPath(url)) : undefined
      if (own === undefined || loaded.source == null) return loaded
      const source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8')
      return { ...loaded, source: applyEdits(source, own) }
    },
  })
}

export function applyEdits(source: string, edits: readonly Edit[]): string {
  return edits.reduce((text, { file, find, replace }) => {
    const parts = text.split(find)
    if (parts.length !== 2) throw new Error(`"${find}" stands ${parts.length - 1} times in ${file}, and should stand there once`)
    return parts.join(replace)
  }, source)
}
