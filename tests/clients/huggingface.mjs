// huggingface.mjs: @huggingface/inference, as it comes, with POST /models/NAME as a custom endpoint: the newest version,
// and version 3, which reads the answer as Hugging Face's own API gives it.
import assert from 'node:assert/strict';
import { captionOf, optional, photo, photoBlob, skip, test } from './support.mjs';

export async function testHuggingface(server) {
    const endpoint = `${server.url}/models/rnn`;
    const own = await captionOf(server, '?model=rnn');

    for (const name of ['@huggingface/inference', 'huggingface-inference-3']) {
        const sdk = await optional(name);
        if (!sdk) {
            skip(name, `npm could not install ${name}`);
            continue;
        }
        await test(`${name}: imageToText gives the caption`, async () => {
            const client = new sdk.InferenceClient().endpoint(endpoint);
            assert.equal((await client.imageToText({ data: photoBlob() })).generated_text, own.text);
        });
        await test(`${name}: what is no image is refused`, async () => {
            const client = new sdk.InferenceClient().endpoint(endpoint);
            await assert.rejects(client.imageToText({ data: new Blob(['no image']) }));
        });
    }

    const post = (body, type, path = '') =>
        fetch(endpoint + path, { method: 'POST', body, headers: { 'Content-Type': type } });
    await test('hugging face: everybody else gets a list', async () => {
        const answer = await post(photo, 'image/jpeg');
        assert.deepEqual(await answer.json(), [{ generated_text: own.text }]);
    });
    await test('hugging face: JSON may carry the image and its options', async () => {
        const body = { inputs: photo.toString('base64'), parameters: { max_new_tokens: 2 } };
        const [item] = await (await post(JSON.stringify(body), 'application/json')).json();
        assert.equal(item.generated_text, (await captionOf(server, '?model=rnn&max_words=2')).text);
    });
    await test('hugging face: n captions are n elements', async () => {
        const list = await (await post(photo, 'image/jpeg', '?decode=beam&n=2')).json();
        assert.equal(list.length, 2);
        assert.notEqual(list[0].generated_text, list[1].generated_text);
    });
    await test('hugging face: parameters are an object of those that have a meaning', async () => {
        for (const parameters of [[1], 'x', 7, { top_k: 3 }, { max_new_tokens: '3' }]) {
            const body = JSON.stringify({ inputs: photo.toString('base64'), parameters });
            assert.equal((await post(body, 'application/json')).status, 400, body.slice(-60));
        }
        assert.equal((await post(photo, 'image/jpeg', '?attention=true')).status, 400);
    });
    await test('hugging face: errors say why in their member, too', async () => {
        const answer = await post('no image', 'image/jpeg');
        const problem = await answer.json();
        assert.equal(answer.status, 415);
        assert.equal(problem.error, problem.detail);
        assert.equal((await fetch(`${server.url}/models/none`, { method: 'POST', body: photo })).status, 404);
    });
}
