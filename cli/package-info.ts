/** The package's own description. */
import { readFileSync } from 'node:fs'

interface PackageInfo {
  version: string
  dependencies: Readonly<Record<string, string>>
}

export function packageInfo(): PackageInfo {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as PackageInfo
}
