/** The pages that are made from the sources, by their paths. */
import { PUBLIC_FACES, ROOT } from '../laws.ts'
import { apiPage, type Documented, documentedExports } from './api.ts'
import { errorCodes, errorsPage } from './errors.ts'

export function madePages(): { pages: Map<string, string>; exported: Map<string, Documented[]> } {
  const exported = documentedExports(ROOT, Object.values(PUBLIC_FACES))
  const pages = new Map([['docs/errors.md', errorsPage(errorCodes(ROOT))]])
  for (const [entry, face] of Object.entries(PUBLIC_FACES)) {
    const name = entry.slice(2)
    pages.set(`docs/api/${name}.md`, apiPage(name, exported.get(face) ?? []))
  }
  return { pages, exported }
}
