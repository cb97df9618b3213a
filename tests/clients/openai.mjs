// openai.mjs: the SDK `openai`, as it comes, against POST /v1/chat/completions and GET /v1/models.
import assert from 'node:assert/strict';
import { captionOf, optional, photo, photoUri, serve, skip, test } from './support.mjs';

const ask = (...urls) => ({
    model: 'lstm',
    messages: [
        {
            role: 'user',
            content: [
                { type: 'text', text: 'What is in this photo?' },
                ...urls.map((url) => ({ type: 'image_url', image_url: { url } })),
            ],
        },
    ],
});

export async function testOpenai(server) {
    const sdk = await optional('openai');
    if (!sdk) return skip('openai', 'npm could not install openai');
    const OpenAI = sdk.default;
    const connect = (to, apiKey = 'none') => new OpenAI({ baseURL: `${to.url}/v1`, apiKey, maxRetries: 0 });
    const client = connect(server);

    await test('openai: a chat about a photo gives its caption', async () => {
        const own = await captionOf(server, '?model=lstm');
        const completion = await client.chat.completions.create(ask(photoUri));
        const choice = completion.choices[0];
        assert.equal(completion.object, 'chat.completion');
        assert.equal(completion.model, 'lstm');
        assert.equal(choice.message.role, 'assistant');
        assert.equal(choice.message.content, own.text);
        assert.equal(choice.finish_reason, 'stop');
        assert.deepEqual(completion.usage, {
            prompt_tokens: 1,
            completion_tokens: own.words,
            total_tokens: 1 + own.words,
        });
    });

    await test('openai: max_tokens are max_words, and a caption that was cut says so', async () => {
        const own = await captionOf(server, '?model=lstm&max_words=3');
        const completion = await client.chat.completions.create({ ...ask(photoUri), max_tokens: 3 });
        assert.equal(completion.choices[0].message.content, own.text);
        assert.equal(completion.choices[0].finish_reason, own.finished ? 'stop' : 'length');
        assert.ok(own.words <= 3);
        const ample = await client.chat.completions.create({ ...ask(photoUri), max_completion_tokens: 4096 });
        assert.equal(ample.choices[0].finish_reason, 'stop');
    });

    await test('openai: several photos are several lines, of the last message that has any', async () => {
        const own = await captionOf(server, '?model=rnn');
        const earlier = ask('data:image/png;base64,AAAA').messages[0];
        const completion = await client.chat.completions.create({
            model: 'rnn',
            messages: [
                { role: 'system', content: 'Be brief.' },
                earlier,
                { role: 'assistant', content: 'a dog' },
                ask(photoUri, photoUri).messages[0],
                { role: 'user', content: 'And?' },
            ],
        });
        assert.equal(completion.choices[0].message.content, `${own.text}\n${own.text}`);
    });

    await test('openai: streaming gives the same in chunks', async () => {
        const own = await captionOf(server, '?model=lstm');
        const stream = await client.chat.completions.create({
            ...ask(photoUri),
            stream: true,
            stream_options: { include_usage: true },
        });
        let text = '';
        let chunks = 0;
        let finish;
        let usage;
        for await (const chunk of stream) {
            assert.equal(chunk.object, 'chat.completion.chunk');
            if (chunk.usage) usage = chunk.usage;
            if (!chunk.choices.length) continue;
            text += chunk.choices[0].delta.content ?? '';
            chunks += chunk.choices[0].delta.content ? 1 : 0;
            finish = chunk.choices[0].finish_reason ?? finish;
        }
        assert.equal(text, own.text);
        assert.equal(chunks, own.words);
        assert.equal(finish, 'stop');
        assert.equal(usage.completion_tokens, own.words);
    });

    await test('openai: the models are listed and shown', async () => {
        const ids = [];
        for await (const model of client.models.list()) {
            ids.push(model.id);
            assert.equal(model.object, 'model');
            assert.ok(model.created > 1e9);
            assert.equal(model.owned_by, 'captiond');
        }
        assert.ok(ids.includes('lstm') && ids.includes('rnn'));
        assert.equal((await client.models.retrieve('rnn')).id, 'rnn');
    });

    const refused = async (request, type, status, code) => {
        await assert.rejects(client.chat.completions.create(request), (error) => {
            assert.ok(error instanceof type, `${error}`);
            assert.equal(error.status, status);
            assert.equal(error.code, code);
            assert.ok(error.message.length > 10 && error.requestID);
            return true;
        });
    };
    await test('openai: errors are its own classes, with our reasons', async () => {
        await refused(ask('https://example.org/cat.jpg'), sdk.BadRequestError, 400, 'remote-image');
        await refused(ask('data:image/png;base64,AAAA'), sdk.APIError, 415, 'unsupported-image');
        await refused({ ...ask(photoUri), model: 'gpt-x' }, sdk.NotFoundError, 404, 'unknown-model');
        await refused({ ...ask(photoUri), n: 17 }, sdk.BadRequestError, 400, 'bad-option');
        for (const tool_choice of ['required', { type: 'function', function: { name: 'f' } }])
            await refused({ ...ask(photoUri), tools: [{ type: 'function', function: { name: 'f' } }], tool_choice }, sdk.BadRequestError, 400, 'bad-option');
        await refused({ ...ask(photoUri), logprobs: true, top_logprobs: 2 }, sdk.BadRequestError, 400, 'bad-option');
        await refused({ ...ask(), model: 'lstm' }, sdk.BadRequestError, 400, 'missing-image');
        await refused({ model: 'lstm', messages: [] }, sdk.BadRequestError, 400, 'bad-json');
        const odd = [{ n: '1' }, { stream: 'false' }, { stream_options: [] }, { max_tokens: '5' }, { max_completion_tokens: 1.5 }];
        for (const member of odd) await refused({ ...ask(photoUri), ...member }, sdk.BadRequestError, 400, 'bad-option');
        await assert.rejects(client.models.retrieve('nope'), (error) => {
            assert.ok(error instanceof sdk.NotFoundError);
            assert.equal(error.code, 'unknown-model');
            return true;
        });
    });

    await test('openai: n choices are the n best of a beam', async () => {
        const answer = await fetch(`${server.url}/v1/caption?model=lstm&decode=beam&n=3`, { method: 'POST', body: photo });
        const [own] = (await answer.json()).captions;
        const wanted = [own, ...own.alternatives].map((caption) => caption.text);
        const completion = await client.chat.completions.create({ ...ask(photoUri), n: 3 });
        assert.deepEqual(completion.choices.map((choice) => choice.message.content), wanted);
        assert.deepEqual(completion.choices.map((choice) => choice.index), [0, 1, 2]);
        const texts = ['', '', ''];
        for await (const chunk of await client.chat.completions.create({ ...ask(photoUri), n: 3, stream: true }))
            for (const choice of chunk.choices) texts[choice.index] += choice.delta.content ?? '';
        assert.deepEqual(texts, wanted);
        const many = await client.chat.completions.create({ ...ask(photoUri), n: 16 });
        assert.equal(new Set(many.choices.map((choice) => choice.message.content)).size, 16);
    });

    await test('openai: logprobs are those of the words, whole and in chunks', async () => {
        const own = await captionOf(server, '?model=lstm&logprobs=true');
        const wanted = own.tokens.slice(0, own.words).map((token) => token.logprob);
        const ours = { ...ask(photoUri), logprobs: true };
        const { logprobs } = (await client.chat.completions.create(ours)).choices[0];
        assert.deepEqual(logprobs.content.map((token) => token.logprob), wanted);
        assert.equal(logprobs.content.map((token) => token.token).join(''), own.text);
        assert.equal(Buffer.from(logprobs.content.flatMap((token) => token.bytes)).toString(), own.text);
        const streamed = [];
        for await (const chunk of await client.chat.completions.create({ ...ours, stream: true }))
            streamed.push(...(chunk.choices[0].logprobs?.content ?? []).map((token) => token.logprob));
        assert.deepEqual(streamed, wanted);
    });

    await test('openai: response_format is JSON of a schema that a caption can fill', async () => {
        const own = await captionOf(server, '?model=lstm');
        const written = async (response_format) => JSON.parse((await client.chat.completions.create({ ...ask(photoUri), response_format })).choices[0].message.content);
        const schema = (properties, more) => ({
            type: 'json_schema',
            json_schema: { name: 'x', strict: true, schema: { type: 'object', properties, required: Object.keys(properties), additionalProperties: false, ...more } },
        });
        assert.deepEqual(await written({ type: 'json_object' }), { caption: own.text });
        assert.deepEqual(await written(schema({ alt: { type: 'string' } })), { alt: own.text });
        assert.deepEqual(await written(schema({ alt: { type: ['string', 'null'] } })), { alt: own.text });
        assert.deepEqual(await written(schema({ alt: { $ref: '#/$defs/text' } }, { $defs: { text: { type: 'string' } } })), { alt: own.text });
        assert.deepEqual(await written(schema({ caption: { type: 'string' }, score: { type: 'number' } }, { required: ['caption'] })), { caption: own.text });
        const all = await written(schema({ alt_text: { type: 'string' }, caption: { type: 'string' }, tags: { type: 'array', items: { type: 'string' } } }));
        assert.deepEqual(Object.keys(all), ['alt_text', 'caption', 'tags']);
        const refusals = [
            [schema({ caption: { type: 'string' }, score: { type: 'number' } }), /"score"/],
            [schema({ title: { type: 'string' }, text: { type: 'string' } }), /"title"/],
            [schema({ caption: { type: 'string', maxLength: 3 } }), /maxLength/],
            [schema({ words: { type: 'array', items: { type: 'string' } } }), /"words"/],
            [{ type: 'grammar' }, /grammar/],
            [schema({}, { required: ['x'] }), /"x"/],
        ];
        for (const [response_format, reason] of refusals)
            await assert.rejects(written(response_format), (error) => error.status === 400 && /response_format/.test(error.message) && reason.test(error.message));
        await refused({ ...ask(photoUri), logprobs: true, response_format: { type: 'json_object' } }, sdk.BadRequestError, 400, 'bad-option');
    });

    await test('openai: how to search is said in the query', async () => {
        const own = await captionOf(server, '?model=lstm&decode=beam&beam=16');
        const query = { decode: 'beam', beam: 16 };
        const completion = await client.chat.completions.create(ask(photoUri), { query });
        assert.equal(completion.choices[0].message.content, own.text);
        await assert.rejects(client.chat.completions.create(ask(photoUri), { query: { nonsense: 1 } }), sdk.BadRequestError);
    });

    await test('openai: its key is the key for captions', async () => {
        const guarded = await serve('--caption-key', 'sesame');
        await assert.rejects(connect(guarded, 'wrong').chat.completions.create(ask(photoUri)), (error) => {
            assert.ok(error instanceof sdk.AuthenticationError);
            assert.equal(error.code, 'unauthorized');
            return true;
        });
        await connect(guarded, 'sesame').chat.completions.create(ask(photoUri));
        await guarded.stop();
    });
}
