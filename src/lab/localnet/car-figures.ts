import { CID_LENGTH } from '../../model/index.ts'
import { readVarint } from '../../util/index.ts'
import { LabError } from '../errors.ts'

/** Counts the blobs of a CARv1 file and their bytes, CIDs and lengths not counted. Throws LabError `bad-source` when it is cut short. */
export function carFigures(car: Uint8Array, path: string): { readonly blobs: number; readonly bytes: number } {
  let at = 0
  let sections = -1
  let bytes = 0
  while (at < car.length) {
    const length = readVarint(car, at)
    if (length === undefined || length === null || length.next + length.value > car.length) {
      throw new LabError('bad-source', `${path} is no whole CAR: it breaks off in the section at byte ${at}`)
    }
    if (sections >= 0) bytes += length.value - CID_LENGTH
    sections += 1
    at = length.next + length.value
  }
  if (sections < 0) throw new LabError('bad-source', `${path} is empty`)
  return { blobs: sections, bytes }
}
