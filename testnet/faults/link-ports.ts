/** `links.json`: where the links of a testnet listen, for a process that has to open them again for nodes that run. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { LinkPorts } from './links.ts'

const schema = z.array(z.array(z.tuple([z.int().min(1).max(65_535), z.int().min(1).max(65_535)])))

export function linkPortsPath(dir: string): string {
  return join(dir, 'links.json')
}

/** Undefined where they were not noted, or the note cannot be read. */
export function readLinkPorts(dir: string): LinkPorts | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(linkPortsPath(dir), 'utf8')))
  } catch {
    return undefined
  }
}

export function writeLinkPorts(dir: string, ports: LinkPorts): void {
  const path = linkPortsPath(dir)
  writeFileSync(`${path}.tmp`, JSON.stringify(ports), { mode: 0o600 })
  renameSync(`${path}.tmp`, path)
}
