// protocols.mjs: IBM's MAX caption generator and the Open Inference Protocol, which have no client on npm: requests as
// their documents show them.
import assert from 'node:assert/strict';
import { captionOf, photo, photoBlob, test } from './support.mjs';

const get = async (server, path) => {
    const answer = await fetch(server.url + path);
    return { status: answer.status, body: await answer.json() };
};

const post = async (server, path, object) => {
    const answer = await fetch(server.url + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(object),
    });
    return { status: answer.status, body: await answer.json() };
};

async function testMax(server) {
    await test('MAX: a form with an image gives a prediction', async () => {
        const own = await captionOf(server);
        const form = new FormData();
        form.append('image', photoBlob(), 'cat.jpg');
        const answer = await (await fetch(`${server.url}/model/predict`, { method: 'POST', body: form })).json();
        assert.equal(answer.status, 'ok');
        assert.equal(answer.predictions[0].index, '0');
        assert.equal(answer.predictions[0].caption, own.text);
        assert.ok(Math.abs(Math.log(answer.predictions[0].probability) - own.logprob) < 1e-3);
    });
    await test('MAX: n captions are n predictions; what has no place is refused', async () => {
        const form = new FormData();
        form.append('image', photoBlob(), 'cat.jpg');
        const ask = async (query) => {
            const answer = await fetch(`${server.url}/model/predict?${query}`, { method: 'POST', body: form });
            return { status: answer.status, body: await answer.json() };
        };
        const { body } = await ask('decode=beam&n=3');
        assert.deepEqual(body.predictions.map((each) => each.index), ['0', '1', '2']);
        assert.equal(new Set(body.predictions.map((each) => each.caption)).size, 3);
        const refused = await ask('logprobs=true');
        assert.equal(refused.status, 400);
        assert.match(refused.body.error, /logprobs/);
    });
    await test('MAX: the metadata name the model', async () => {
        assert.equal((await get(server, '/model/metadata')).body.id, 'attention');
    });
}

const tensor = (...data) => ({ name: 'image', datatype: 'BYTES', shape: [data.length], data });

async function testOip(server) {
    const infer = '/v2/models/rnn/infer';
    const base64 = photo.toString('base64');

    await test('OIP: health and metadata', async () => {
        assert.deepEqual((await get(server, '/v2/health/live')).body, { live: true });
        assert.deepEqual((await get(server, '/v2/health/ready')).body, { ready: true });
        assert.equal((await get(server, '/v2')).body.name, 'captiond');
        assert.deepEqual((await get(server, '/v2/models/rnn/ready')).body, { name: 'rnn', ready: true });
        const model = (await get(server, '/v2/models/rnn')).body;
        assert.deepEqual(model.inputs, [{ name: 'image', datatype: 'BYTES', shape: [-1] }]);
        assert.equal(model.outputs[0].name, 'caption');
    });
    await test('OIP: infer gives the caption of every image', async () => {
        const own = await captionOf(server, '?model=rnn');
        const { body } = await post(server, infer, { id: 'x1', inputs: [tensor(base64, base64)] });
        assert.equal(body.model_name, 'rnn');
        assert.equal(body.id, 'x1');
        assert.deepEqual(body.outputs[0], {
            name: 'caption',
            datatype: 'BYTES',
            shape: [2],
            data: [own.text, own.text],
        });
        const [logprob, words] = body.outputs.slice(1);
        assert.ok(Math.abs(logprob.data[1] - own.logprob) < 1e-3);
        assert.deepEqual(words.data, [own.words, own.words]);
    });
    await test('OIP: options are parameters, outputs are chosen, shapes may be nested', async () => {
        const { body } = await post(server, infer, {
            inputs: [{ ...tensor(), shape: [1, 1], data: [[base64]] }],
            parameters: { max_words: 1 },
            outputs: [{ name: 'words' }],
        });
        const { words } = await captionOf(server, '?model=rnn&max_words=1');
        assert.deepEqual(body.outputs, [{ name: 'words', datatype: 'INT32', shape: [1], data: [words] }]);
    });
    await test('OIP: parameters of other servers are ignored', async () => {
        const { body } = await post(server, infer, {
            inputs: [tensor(base64)],
            parameters: { binary_data_output: true, priority: 2, headers: {}, max_words: 1 },
            outputs: [{ name: 'words', parameters: { binary_data: false } }],
        });
        assert.deepEqual(body.outputs[0].data, [(await captionOf(server, '?model=rnn&max_words=1')).words]);
    });
    await test('OIP: errors say why in their member, too', async () => {
        const cases = [
            [{ inputs: [{ ...tensor(base64), shape: [2] }] }, 400],
            [{ inputs: [{ ...tensor(base64), datatype: 'UINT8' }] }, 400],
            [{ inputs: [{ ...tensor(base64), name: 'picture' }] }, 400],
            [{ inputs: [tensor('!')] }, 400],
            [{ inputs: [tensor()] }, 400],
            [{ inputs: [] }, 400],
            [{ inputs: [tensor(base64)], outputs: [{ name: 'colour' }] }, 400],
            [{ inputs: [tensor(base64)], parameters: { max_words: 'many' } }, 400],
            [{ inputs: [tensor(base64)], parameters: [1] }, 400],
            [{ inputs: [tensor(base64)], parameters: 'x' }, 400],
            [{ inputs: [tensor(base64)], parameters: { decode: 'beam', n: 2 } }, 400],
            [{ inputs: [tensor(base64)], outputs: 'caption' }, 400],
            [{ inputs: [{ ...tensor(base64), shape: [] }] }, 400],
            [{ inputs: [{ ...tensor(base64), shape: [-1, -1] }] }, 400],
            [{ inputs: [{ ...tensor(base64), shape: [0.5, 2] }] }, 400],
        ];
        for (const [request, status] of cases) {
            const answer = await post(server, infer, request);
            assert.equal(answer.status, status, JSON.stringify(answer.body));
            assert.equal(answer.body.error, answer.body.detail);
        }
        assert.equal((await get(server, '/v2/models/none/ready')).status, 404);
    });
}

export async function testProtocols(server) {
    await testMax(server);
    await testOip(server);
}
