/** Helpers of the tests that lose, damage and move fragments in a running network. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { contentOf } from '../../src/client/record-object.ts'
import { homePaths } from '../../src/node/home.ts'
import { type Cluster, seedOf } from './cluster.ts'

/** Rounds that are soon over, where a validator is missing. */
export const SHORT_ROUNDS = { proposeTimeoutMs: 200, voteTimeoutMs: 100, timeoutGrowthMs: 100 }

/** Nodes that look for damage all the time. */
export const EAGER = { repair: { graceMs: 50, lookMs: 60_000 }, scrub: { everyMs: 200, bytesPerSecond: 2 ** 28 } }

/** Content that does not compress. */
export function noise(length: number, name: string): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0, i = 0; at < length; at += 32, i++) out.set(seedOf(name, i).subarray(0, Math.min(32, length - at)), at)
  return out
}

/** A record of so many bytes. */
export const file = (length: number, name: string) => ({
  mediaType: 'application/octet-stream',
  class: 'laboratory' as const,
  content: contentOf(noise(length, name)),
})

/** Files of fragments on a node's disk. */
export async function fragmentFiles(cluster: Cluster, index: number): Promise<string[]> {
  const kept = join(homePaths(cluster.home(index)).fragments, 'fragments')
  const names: string[] = []
  for (const folder of await readdir(kept)) {
    for (const name of await readdir(join(kept, folder))) names.push(join(kept, folder, name))
  }
  return names.sort()
}

/** All of a stream. */
export async function bytesOf(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part.slice())
  return Uint8Array.from(parts.flatMap(part => [...part]))
}

/** What a node says of what it keeps. */
export const custody = (cluster: Cluster, index: number) => cluster.node(index).status().custody
/** Fragments that a node holds. */
export const fragments = (cluster: Cluster, index: number): number => cluster.node(index).status().storage.fragments

/** Takes from a stopped node all that it kept for others. */
export async function wipe(cluster: Cluster, index: number): Promise<void> {
  const paths = homePaths(cluster.home(index))
  await Promise.all([paths.custody, paths.fragments].map(async path => await rm(path, { recursive: true })))
}
