/** The meaning of a consent, written a second time and otherwise: every chain of provisions is listed, then judged. */
import type { ConsentRequest } from '../../src/contracts/consent-decision.ts'
import type { Provision } from '../../src/contracts/consent-terms.ts'
import { toHex } from '../../src/encoding/bytes.ts'

/** Kinds by purpose, written out: what HL7 files below each, at any depth. */
const KINDS: Readonly<Record<string, string>> = {
  TREAT: 'CLINTRL COC ETREAT BTG ERTREAT POPHLTH',
  ETREAT: 'BTG ERTREAT',
  HPAYMT: 'CLMATTCH COVAUTH COVERAGE ELIGDTRM ELIGVER ENROLLM MILDCRG REMITADV',
  COVERAGE: 'ELIGDTRM ELIGVER ENROLLM MILDCRG',
  HOPERAT:
    'CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN LABELING METAMGT MEMADMIN MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV HTEST TRAIN',
  HSYSADMIN: 'LABELING METAMGT',
  SYSDEV: 'HTEST',
  HRESCH: 'BIORCH CLINTRCH CLINTRCHNPC CLINTRCHPC PRECLINTRCH DSRCH POARCH TRANSRCH',
  CLINTRCH: 'CLINTRCHNPC CLINTRCHPC PRECLINTRCH',
  PUBHLTH: 'DISASTER THREAT',
  PATRQT: 'FAMRQT PWATRNY SUPNWK',
}

/** All chains from the consent's own provision down to some exception. */
function chains(provision: Provision): Provision[][] {
  return [[provision], ...provision.exceptions.flatMap(chains).map(rest => [provision, ...rest])]
}

export function naiveVerdict(provision: Provision, request: ConsentRequest): boolean {
  const met = chains(provision).filter(chain => chain.every(one => fits(one, request)))
  const longest = Math.max(0, ...met.map(chain => chain.length))
  const last = met.filter(chain => chain.length === longest).map(chain => chain[chain.length - 1] as Provision)
  return last.length > 0 && last.every(one => one.decision === 'permit')
}

function fits(one: Provision, request: ConsentRequest): boolean {
  const failed: boolean[] = []
  if (one.grantee !== null) {
    const { type, value } = one.grantee
    failed.push(toHex(value.organisation) !== toHex(request.organisation))
    if (type === 'person') failed.push(toHex(value.key) !== toHex(request.reader))
    if (type === 'role') failed.push(value.role !== request.role)
  }
  if (one.purposes.length > 0) {
    const covered = new Set<string>(one.purposes)
    for (const purpose of one.purposes) for (const kind of (KINDS[purpose] ?? '').split(' ')) covered.add(kind)
    if (one.decision === 'permit' && !one.purposes.includes('BTG')) covered.delete('BTG')
    failed.push(!covered.has(request.purpose))
  }
  if (one.classes.length > 0) failed.push(!one.classes.includes(request.class))
  if (one.authors.length > 0) failed.push(!one.authors.map(toHex).includes(toHex(request.author)))
  if (one.validity !== null) failed.push(request.time < one.validity.start || request.time > one.validity.end - 1)
  if (one.dataPeriod !== null) {
    const { dataTime } = request
    if (dataTime !== null) failed.push(dataTime < one.dataPeriod.start || dataTime > one.dataPeriod.end - 1)
    else failed.push(one.decision === 'permit')
  }
  return !failed.includes(true)
}
