import { expect, it } from 'vitest'
import { withBlobs } from './outbox.svelte'

it('puts uploads where they belong', () => {
  expect(withBlobs({ attachments: [{ blobId: 'local:1', name: 'a' }, { blobId: 'Gx' }], bodyStructure: { subParts: [{ blobId: 'local:0' }, { partId: 'local:0' }] }, n: null }, ['B0', 'B1'])).toEqual({
    attachments: [{ blobId: 'B1', name: 'a' }, { blobId: 'Gx' }], bodyStructure: { subParts: [{ blobId: 'B0' }, { partId: 'local:0' }] }, n: null })
})
