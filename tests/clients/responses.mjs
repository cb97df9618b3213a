// responses.mjs: POST /v1/responses, with the SDK `openai` and with the AI SDK's default provider, both as they come.
import assert from 'node:assert/strict';
import { captionOf, optional, photo, photoUri, skip, test } from './support.mjs';

const ask = (...urls) => ({
    model: 'lstm',
    input: [
        { role: 'user', content: 'Hello' },
        {
            role: 'user',
            content: [
                { type: 'input_text', text: 'What is in this photo?' },
                ...urls.map((url) => ({ type: 'input_image', image_url: url, detail: 'auto' })),
            ],
        },
    ],
});

const schema = (properties) => ({
    type: 'json_schema',
    name: 'description',
    strict: true,
    schema: { type: 'object', properties, required: Object.keys(properties), additionalProperties: false },
});

async function testSdk(server, sdk) {
    const client = new sdk.default({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });

    await test('responses: a photo gives its caption', async () => {
        const own = await captionOf(server, '?model=lstm');
        const response = await client.responses.create(ask(photoUri));
        assert.equal(response.output_text, own.text);
        assert.equal(response.status, 'completed');
        assert.equal(response.model, 'lstm');
        assert.equal(response.usage.output_tokens, own.words);
        const two = await client.responses.create(ask(photoUri, photoUri));
        assert.equal(two.output_text, `${own.text}\n${own.text}`);
    });

    await test('responses: a stream tells the same, a word each', async () => {
        const own = await captionOf(server, '?model=lstm');
        const types = [];
        let text = '';
        let last;
        let number = 0;
        for await (const event of await client.responses.create({ ...ask(photoUri), stream: true })) {
            types.push(event.type);
            assert.equal(event.sequence_number, number++);
            if (event.type === 'response.output_text.delta') text += event.delta;
            last = event;
        }
        assert.equal(text, own.text);
        assert.equal(types.filter((type) => type === 'response.output_text.delta').length, own.words);
        assert.deepEqual(types.slice(0, 4), ['response.created', 'response.in_progress', 'response.output_item.added', 'response.content_part.added']);
        assert.deepEqual(types.slice(-4), ['response.output_text.done', 'response.content_part.done', 'response.output_item.done', 'response.completed']);
        assert.equal(last.response.output[0].content[0].text, own.text);
        const gathered = await client.responses.stream(ask(photoUri)).finalResponse();
        assert.equal(gathered.output_text, own.text);
    });

    await test('responses: max_output_tokens are max_words, and one that was cut is incomplete', async () => {
        const own = await captionOf(server, '?model=lstm&max_words=3&plain=true');
        const response = await client.responses.create({ ...ask(photoUri), max_output_tokens: 3 }, { query: { plain: true } });
        assert.equal(response.output_text, own.text);
        assert.equal(response.status, own.finished ? 'completed' : 'incomplete');
        assert.deepEqual(response.incomplete_details, own.finished ? null : { reason: 'max_output_tokens' });
    });

    await test('responses: logprobs are the words own', async () => {
        const own = await captionOf(server, '?model=lstm&logprobs=true');
        const wanted = own.tokens.slice(0, own.words).map((token) => token.logprob);
        const request = { ...ask(photoUri), include: ['message.output_text.logprobs'] };
        const response = await client.responses.create(request);
        assert.deepEqual(response.output[0].content[0].logprobs.map((token) => token.logprob), wanted);
        const streamed = [];
        for await (const event of await client.responses.create({ ...request, stream: true }))
            if (event.type === 'response.output_text.delta') streamed.push(...event.logprobs.map((token) => token.logprob));
        assert.deepEqual(streamed, wanted);
    });

    await test('responses: text.format is JSON of a schema that a caption can fill', async () => {
        const own = await captionOf(server, '?model=lstm');
        const response = await client.responses.create({ ...ask(photoUri), text: { format: schema({ alt_text: { type: 'string', description: 'x' } }) } });
        assert.deepEqual(JSON.parse(response.output_text), { alt_text: own.text });
        const refused = { ...ask(photoUri), text: { format: schema({ colour: { type: 'string' }, size: { type: 'integer' } }) } };
        await assert.rejects(client.responses.create(refused), (error) => error.status === 400 && /text\.format.*(colour|size)/.test(error.message));
    });

    await test('responses: what cannot be done is refused by name', async () => {
        const cases = [
            [{ previous_response_id: 'resp_1' }, /previous_response_id/],
            [{ background: true }, /background/],
            [{ tool_choice: 'required' }, /tool_choice/],
            [{ tool_choice: { type: 'function', name: 'f' } }, /tool_choice/],
            [{ top_logprobs: 2 }, /top_logprobs/],
            [{ input: 'Hello' }, /image/],
            [{ input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'file-1' }] }] }, /file_id/],
            [{ input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://example.org/a.jpg' }] }] }, /URL/],
        ];
        for (const [member, reason] of cases)
            await assert.rejects(client.responses.create({ ...ask(photoUri), ...member }), (error) => {
                assert.ok(error instanceof sdk.BadRequestError, `${JSON.stringify(member)}: ${error}`);
                assert.match(error.message, reason);
                return true;
            });
        await client.responses.create({ ...ask(photoUri), tools: [{ type: 'web_search' }], tool_choice: 'auto', store: true });
    });

    await test('openai: what is not there is its own error, everywhere below /v1', async () => {
        const asked = [
            () => client.embeddings.create({ model: 'x', input: 'x' }),
            () => client.responses.retrieve('resp_1'),
            () => client.files.list(),
            () => client.images.generate({ prompt: 'x' }),
            () => client.get('/jobs/99'),
            () => client.get('/datasets/none'),
        ];
        for (const each of asked)
            await assert.rejects(async () => await each(), (error) => {
                assert.ok(error instanceof sdk.NotFoundError, `${error}`);
                assert.ok(error.error.message.length > 5 && error.code);
                return true;
            });
    });
}

async function testAiSdk(server, ai, provider) {
    const openai = provider.createOpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' });
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, { type: 'image', image: photo }] }];
    for (const [name, model] of [['default', openai('lstm')], ['chat', openai.chat('lstm')]]) {
        await test(`ai sdk (${name}): generateText, streamText and generateObject`, async () => {
            const own = await captionOf(server, '?model=lstm');
            const { text, usage, finishReason } = await ai.generateText({ model, messages, maxRetries: 0 });
            assert.equal(text, own.text);
            assert.equal(usage.outputTokens, own.words);
            assert.equal(finishReason, 'stop');
            let streamed = '';
            for await (const piece of ai.streamText({ model, messages, maxRetries: 0 }).textStream) streamed += piece;
            assert.equal(streamed, own.text);
            const schema = ai.jsonSchema({ type: 'object', properties: { caption: { type: 'string' } }, required: ['caption'], additionalProperties: false });
            const { object } = await ai.generateObject({ model, messages, schema, maxRetries: 0 });
            assert.deepEqual(object, { caption: own.text });
        });
    }
}

export async function testResponses(server) {
    const sdk = await optional('openai');
    if (sdk) await testSdk(server, sdk);
    else skip('responses', 'npm could not install openai');
    const ai = await optional('ai');
    const provider = await optional('@ai-sdk/openai');
    if (ai && provider) await testAiSdk(server, ai, provider);
    else skip('ai sdk', 'npm could not install ai and @ai-sdk/openai');
}
