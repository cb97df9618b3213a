// ollama.mjs: the client `ollama`, as it comes, against /api/*; and what other clients of Ollama send.
import assert from 'node:assert/strict';
import { captionOf, optional, photo, photoUri, skip, test } from './support.mjs';

const base64 = photo.toString('base64');
const message = { role: 'user', content: 'Describe this photo.', images: [base64] };

async function testClient(server, ollama) {
    const client = new ollama.Ollama({ host: server.url });

    await test('ollama: a photo is generated from, whole and in a stream', async () => {
        const own = await captionOf(server, '?model=lstm');
        const ask = { model: 'lstm', prompt: 'Describe this photo.', images: [new Uint8Array(photo)] };
        const whole = await client.generate(ask);
        assert.equal(whole.response, own.text);
        assert.equal(whole.model, 'lstm');
        assert.equal(whole.done, true);
        assert.equal(whole.done_reason, 'stop');
        assert.equal(whole.eval_count, own.words);
        assert.ok(whole.total_duration > 0 && Date.parse(whole.created_at) > 1e12);
        let text = '';
        let parts = 0;
        let last;
        for await (const part of await client.generate({ ...ask, stream: true })) {
            text += part.response;
            parts += 1;
            last = part;
        }
        assert.equal(text, own.text);
        assert.equal(parts, own.words + 1);
        assert.ok(last.done && last.eval_count === own.words);
    });

    await test('ollama: a chat about a photo, whole and in a stream', async () => {
        const own = await captionOf(server, '?model=rnn');
        const ask = { model: 'rnn:latest', messages: [{ role: 'user', content: 'Hello' }, message, { role: 'user', content: 'And?' }] };
        const whole = await client.chat(ask);
        assert.deepEqual(whole.message, { role: 'assistant', content: own.text });
        let text = '';
        for await (const part of await client.chat({ ...ask, stream: true })) text += part.message.content;
        assert.equal(text, own.text);
    });

    await test('ollama: num_predict is max_words, and a caption that was cut says so', async () => {
        const own = await captionOf(server, '?model=lstm&max_words=3');
        const options = { num_predict: 3, temperature: 0, seed: 1 };
        const cut = await client.chat({ model: 'lstm', messages: [message], options });
        assert.equal(cut.message.content, own.text);
        assert.equal(cut.done_reason, own.finished ? 'stop' : 'length');
        const free = await client.chat({ model: 'lstm', messages: [message], options: { num_predict: -1 } });
        assert.equal(free.message.content, (await captionOf(server, '?model=lstm')).text);
    });

    await test('ollama: format is JSON of a schema that a caption can fill', async () => {
        const own = await captionOf(server, '?model=lstm');
        const ask = async (format) => JSON.parse((await client.chat({ model: 'lstm', messages: [message], format })).message.content);
        const string = { type: 'string' };
        const tags = { type: 'array', items: string };
        const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties) });
        assert.deepEqual(await ask('json'), { caption: own.text });
        assert.deepEqual(await ask(object({ description: string })), { description: own.text });
        const all = await ask(object({ alt_text: string, caption: string, tags }));
        assert.equal(all.alt_text, own.text);
        assert.equal(all.caption, own.text);
        assert.ok(all.tags.length > 0 && new Set(all.tags).size === all.tags.length && !all.tags.includes('a'));
        assert.deepEqual((await ask(object({ tags: { ...tags, maxItems: 1 } }))).tags, all.tags.slice(0, 1));
        const refused = [object({ title: string, keywords: tags }), object({ score: { type: 'number' } }), { type: 'array', items: string }, 'yaml',
            object({ caption: { ...string, enum: ['a', 'b'] } })];
        for (const format of refused) await assert.rejects(ask(format), (error) => error.status_code === 400 && /format/.test(error.message));
    });

    await test('ollama: the models are listed, shown, and running', async () => {
        const { models } = await client.list();
        const names = models.map((model) => model.name);
        assert.ok(names.includes('lstm:latest') && names.includes('rnn:latest'));
        assert.ok(models.every((model) => model.size > 1000 && /^[0-9a-f]{64}$/.test(model.digest) && Date.parse(model.modified_at)));
        const shown = await client.show({ model: names[0] });
        assert.deepEqual([...shown.capabilities], ['completion', 'vision']);
        assert.deepEqual((await client.ps()).models.map((model) => model.name), names);
        assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
        await assert.rejects(client.show({ model: 'none' }), (error) => error.status_code === 404);
    });

    await test('ollama: refusals say why', async () => {
        const refused = async (request, status, reason) =>
            assert.rejects(client.chat({ model: 'lstm', messages: [message], ...request }), (error) => {
                assert.equal(error.status_code, status);
                assert.match(error.message, reason);
                return true;
            });
        await refused({ model: 'llava' }, 404, /llava/);
        await refused({ messages: [{ role: 'user', content: 'Hello' }] }, 400, /images/);
        await refused({ messages: [{ ...message, images: ['!'] }] }, 400, /base64/);
        await refused({ think: true }, 400, /think/);
        await refused({ logprobs: true, top_logprobs: 3 }, 400, /top_logprobs/);
        await refused({ options: { num_predict: 1.5 } }, 400, /num_predict/);
    });

    await test('ollama: what asks to load a model is told that it is', async () => {
        assert.equal((await client.generate({ model: 'lstm', prompt: '' })).done_reason, 'load');
        assert.equal((await client.chat({ model: 'lstm', messages: [], keep_alive: 0 })).done_reason, 'unload');
        await assert.rejects(client.generate({ model: 'none', prompt: '' }), (error) => error.status_code === 404);
    });
}

// Requests as these programs write them.
async function testOthers(server) {
    const post = async (path, body) => {
        const answer = await fetch(`${server.url}${path}`, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
        return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
    };

    await test('ollama: PhotoPrism asks for a caption', async () => {
        const own = await captionOf(server, '?model=lstm');
        const { status, text } = await post('/api/generate', {
            id: '',
            model: 'lstm:latest',
            system: '',
            prompt: 'Create a caption with exactly one sentence in the active voice.',
            suffix: '',
            images: [base64],
            options: { temperature: 0.1, top_p: 0.9, stop: ['\n\n'] },
            format: '',
            stream: false,
        });
        assert.equal(status, 200);
        assert.equal(JSON.parse(text).response, own.text);
    });

    await test('ollama: Karakeep asks for tags in a stream', async () => {
        const { status, type, text } = await post('/api/chat', {
            model: 'lstm',
            format: {
                type: 'object',
                properties: { tags: { type: 'array', items: { type: 'string' } } },
                required: ['tags'],
                additionalProperties: false,
                $schema: 'http://json-schema.org/draft-07/schema#',
            },
            stream: true,
            keep_alive: '5m',
            options: { num_ctx: 2048, num_predict: 2048 },
            messages: [{ role: 'user', content: 'You are an expert ...', images: [base64] }],
        });
        assert.equal(status, 200);
        assert.equal(type, 'application/x-ndjson');
        const lines = text.trim().split('\n').map((line) => JSON.parse(line));
        assert.ok(Array.isArray(JSON.parse(lines.map((line) => line.message.content).join('')).tags));
        assert.ok(lines.at(-1).done);
    });

    await test('ollama: Open WebUI and Home Assistant find the models and send data URIs', async () => {
        const { models } = await (await fetch(`${server.url}/api/tags`)).json();
        const { status, text } = await post('/api/chat', {
            model: models[0].model,
            messages: [{ role: 'system', content: 'x' }, { ...message, images: [photoUri] }],
            tools: [],
            stream: false,
        });
        assert.equal(status, 200);
        assert.ok(JSON.parse(text).message.content.length > 3);
        assert.equal((await fetch(`${server.url}/`, { method: 'HEAD' })).status, 200);
    });
}

export async function testOllama(server) {
    const ollama = await optional('ollama');
    if (ollama) await testClient(server, ollama);
    else skip('ollama', 'npm could not install ollama');
    await testOthers(server);
}
