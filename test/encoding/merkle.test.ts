import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { domain, sha256, sha256Stream, taggedHash } from '../../src/encoding/hash.ts'
import { merkleLeaf, merkleProof, merkleRoot, merkleRootFromProof, merkleRootOf, verifyMerkleProof } from '../../src/encoding/merkle.ts'
import { hex } from './hex.ts'
import { property } from './seeded.ts'
import { throwsCode } from './throws.ts'

const merkle = suite('merkle')
const leavesOf = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => merkleLeaf(utf8(`leaf ${i}`)))

/** Whether shown leaves and proof give the root; a proof of the wrong shape does not. */
function proves(root: Uint8Array, count: number, shown: { index: number; leaf: Uint8Array }[], proof: Uint8Array[]): boolean {
  try {
    return equalBytes(merkleRootFromProof(count, shown, proof), root)
  } catch (error) {
    assert.is(errorCode(error, String(error)), 'malformed')
    return false
  }
}

merkle('roots are those of the reference tests of RFC 6962', () => {
  const data = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(hex)
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]
  roots.forEach((root, count) => {
    assert.is(toHex(merkleRootOf(data.slice(0, count))), root, `${count} leaves`)
  })
})

merkle('every leaf of every small tree has a proof, and no other leaf passes with it', () => {
  for (let count = 1; count <= 20; count++) {
    const leaves = leavesOf(count)
    const root = merkleRoot(leaves)
    for (let index = 0; index < count; index++) {
      const leaf = leaves[index] as Uint8Array
      const proof = merkleProof(leaves, [index])
      assert.ok(proof.length <= Math.ceil(Math.log2(count)))
      assert.ok(verifyMerkleProof(root, count, index, leaf, proof))
      assert.not(verifyMerkleProof(root, count, index, merkleLeaf(utf8('forged')), proof))
      for (let other = 0; other < count; other++) {
        if (other !== index) assert.not(verifyMerkleProof(root, count, other, leaf, proof), `${index} as ${other} of ${count}`)
      }
    }
  }
})

merkle('every set of leaves of small trees has one proof', () => {
  for (let count = 1; count <= 8; count++) {
    const leaves = leavesOf(count)
    const root = merkleRoot(leaves)
    for (let set = 0; set < 2 ** count; set++) {
      const indices = leaves.flatMap((_, i) => ((set >> i) & 1 ? [i] : []))
      const proof = merkleProof(leaves, indices)
      const shown = indices.map(index => ({ index, leaf: leaves[index] as Uint8Array }))
      assert.ok(proves(root, count, shown, proof), `${indices} of ${count}`)
      if (indices.length === count) assert.is(proof.length, 0)
    }
  }
})

merkle(
  'a tampered proof never gives the root',
  property(random => {
    for (let i = 0; i < 150; i++) {
      const count = 1 + random.below(70)
      const leaves = leavesOf(count)
      const root = merkleRoot(leaves)
      const indices = leaves.flatMap((_, index) => (random.below(4) === 0 ? [index] : []))
      const proof = merkleProof(leaves, indices)
      const shown = indices.map(index => ({ index, leaf: leaves[index] as Uint8Array }))
      assert.ok(proves(root, count, shown, proof))
      const flip = (hash: Uint8Array): Uint8Array => hash.with(random.below(32), (hash[random.below(32)] as number) ^ 0xff)
      const different = (hash: Uint8Array): Uint8Array => {
        const flipped = flip(hash)
        return equalBytes(flipped, hash) ? sha256(hash) : flipped
      }
      assert.not(proves(different(root), count, shown, proof))
      assert.not(proves(root, count, shown, [...proof, root]), 'one hash too many')
      if (proof.length > 0) {
        const at = random.below(proof.length)
        assert.not(proves(root, count, shown, proof.with(at, different(proof[at] as Uint8Array))))
        assert.not(proves(root, count, shown, proof.toSpliced(at, 1)), 'one hash too few')
        assert.not(proves(root, count, shown, proof.with(at, new Uint8Array(31))))
        if (proof.length > 1) assert.not(proves(root, count, shown, [proof.at(-1) as Uint8Array, ...proof.slice(0, -1)]), 'turned round')
      }
      if (shown.length > 0) {
        const at = random.below(shown.length)
        const item = shown[at] as { index: number; leaf: Uint8Array }
        assert.not(proves(root, count, shown.with(at, { ...item, leaf: different(item.leaf) }), proof))
        assert.not(proves(root, count, shown.with(at, { ...item, index: item.index + 1 }), proof))
      }
      if (shown.length > 1) {
        assert.not(proves(root, count, shown.toReversed(), proof))
        const [a, b] = shown as [{ index: number; leaf: Uint8Array }, { index: number; leaf: Uint8Array }]
        assert.not(proves(root, count, [{ ...a, leaf: b.leaf }, { ...b, leaf: a.leaf }, ...shown.slice(2)], proof), 'leaves exchanged')
      }
    }
  }),
)

merkle('an inner node is no leaf', () => {
  const leaves = leavesOf(4)
  const left = merkleRoot(leaves.slice(0, 2))
  const inner = new Uint8Array([...(leaves[0] as Uint8Array), ...(leaves[1] as Uint8Array)])
  assert.not(equalBytes(merkleLeaf(inner), left))
  assert.not(equalBytes(merkleRootOf([inner, inner]), merkleRoot(leaves)))
})

merkle('indices and counts that make no sense are refused', () => {
  const leaves = leavesOf(5)
  const leaf = leaves[0] as Uint8Array
  for (const indices of [[5], [-1], [1, 1], [2, 1], [0.5], [Number.NaN]]) {
    throwsCode(() => merkleProof(leaves, indices), 'malformed')
    const shown = indices.map(index => ({ index, leaf }))
    throwsCode(() => merkleRootFromProof(5, shown, []), 'malformed')
  }
  for (const count of [0, -1, 1.5, Number.NaN, 2 ** 53]) throwsCode(() => merkleRootFromProof(count, [{ index: 0, leaf }], []), 'malformed')
  // A huge count costs no more than the proof is long.
  throwsCode(() => merkleRootFromProof(2 ** 52, [{ index: 2 ** 51, leaf }], [leaf]), 'malformed')
  assert.equal(merkleProof([], []), [])
  assert.not(verifyMerkleProof(merkleRoot(leaves), 5, 7, leaf, []))
})

merkle('hashes are SHA-256, and domains keep kinds apart', () => {
  assert.is(toHex(sha256(utf8('abc'))), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  const stream = sha256Stream()
  for (const part of ['a', '', 'b']) stream.update(utf8(part))
  assert.equal(stream.digestSoFar(), sha256(utf8('ab')))
  stream.update(utf8('c'))
  assert.equal(stream.digest(), sha256(utf8('abc')))
  assert.equal(domain('block'), utf8('epione/block/1\0'))
  assert.equal(taggedHash('block', utf8('a'), utf8('b')), sha256(utf8('epione/block/1\0ab')))
  assert.is.not(toHex(taggedHash('block', utf8('a'))), toHex(taggedHash('vote', utf8('a'))))
})

merkle.run()
