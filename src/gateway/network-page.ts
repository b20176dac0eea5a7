/** Where the built page of a network is. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'

/** Beside `src` in the package; in a checkout where `npm run build` puts it. */
const FOLDERS = [join(import.meta.dirname, '..', '..', 'network'), join(import.meta.dirname, '..', '..', 'dist', 'network')]

/** Folder of the built page; null where it was not built. */
export async function pageFolder(): Promise<string | null> {
  for (const folder of FOLDERS) {
    const isThere = await access(join(folder, 'index.html')).then(
      () => true,
      () => false,
    )
    if (isThere) return folder
  }
  return null
}
