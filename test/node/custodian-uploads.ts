/** Uploads to a custodian of a test's world. */
import { type UploadFrame, uploadFrameCodec, uploadReplyCodec } from '../../src/network/fragment-messages.ts'
import type { CustodyLimits } from '../../src/node/custodian/limits.ts'
import { type UploadDependencies, UploadService } from '../../src/node/custodian/upload.ts'
import { seedOf } from './cluster.ts'
import { CUSTODIAN, type CustodianWorld, type Held, LIMITS, ROOMY, SlowChannel } from './custodian-world.ts'

/** What takes uploads in a world, with other limits or parts. */
export function uploadsOf(
  world: CustodianWorld,
  limits: Partial<CustodyLimits> & { checkBytesPerSecond?: number } = {},
  changes: Partial<UploadDependencies> = {},
): UploadService {
  const { chain, directory, fragments, submissions, logger, clock } = world
  const erasures = changes.erasures ?? world.erasures()
  return new UploadService(
    { custodian: CUSTODIAN.account, accountKey: CUSTODIAN.signing, ...LIMITS, ...limits },
    { chain, directory, fragments, submissions, disk: ROOMY, logger, now: () => clock.now, ...changes, erasures },
  )
}

/** Sends these frames; returns the types of the answers, and of an error its code. */
export async function answersTo(uploads: UploadService, frames: readonly UploadFrame[]): Promise<string[]> {
  const channel = new SlowChannel(
    seedOf('peer'),
    frames.map(frame => uploadFrameCodec.encode(frame)),
  )
  const served = uploads.serve(channel)
  void served.finally(() => channel.end())
  const out: string[] = []
  for (let bytes = await channel.take(); bytes !== undefined; bytes = await channel.take()) {
    const { type, value } = uploadReplyCodec.decode(bytes)
    out.push(type === 'error' ? new TextDecoder().decode(value.code) : type)
  }
  await served
  return out
}

/** Uploads a submission of one version whole; returns the type of the last answer, or the code of an error. */
export async function upload(world: CustodianWorld, uploads: UploadService, { root, metas, dispersed }: Held): Promise<string | undefined> {
  const ticket = world.ticket(root, metas[0]?.size as number)
  const { fragments, fragmentRoots } = dispersed[0] as Held['dispersed'][number]
  const answers = await answersTo(uploads, [
    { type: 'start', value: { ...ticket, token: seedOf('token') } },
    { type: 'versions', value: metas },
    { type: 'fragment', value: { roots: fragmentRoots, chunk: fragments[ticket.index] as Uint8Array } },
  ])
  return answers.at(-1)
}
