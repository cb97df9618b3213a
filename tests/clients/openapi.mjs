// openapi.mjs: GET /openapi.json against the daemon that serves it: it has every route and no other; every example of a
// request is sent, and every answer must be one that it describes.
//
// The examples tell a story in the order of the document: a dataset is made and filled, a captioner taught with it and
// made the default. What deletes comes last, backwards.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { binary, optional, photoBlob, serve, skip, test } from './support.mjs';

const methods = ['put', 'post', 'get', 'patch', 'delete'];

function resolve(document, object) {
    if (!object?.$ref) return object;
    return object.$ref.slice(2).split('/').reduce((at, key) => at[key], document);
}

function* operationsOf(document) {
    for (const [path, item] of Object.entries(document.paths))
        for (const method of methods) {
            if (!item[method]) continue;
            const parameters = [...(item.parameters ?? []), ...(item[method].parameters ?? [])];
            yield { path, method, about: item[method], parameters: parameters.map((p) => resolve(document, p)) };
        }
}

const called = (operation) => `${operation.method.toUpperCase()} ${operation.path}`;

// ---- requests

function urlOf(server, { path, parameters }) {
    const query = new URLSearchParams();
    for (const p of parameters) {
        if (p.in === 'path') path = path.replace(`{${p.name}}`, encodeURIComponent(p.example));
        else if (p.in === 'query' && p.example !== undefined) query.set(p.name, p.example);
    }
    return `${server.url}${path}${query.size || `${query}` ? `?${query}` : ''}`;
}

// A member that the schema calls binary is a file: the example tells its name, the test has its bytes.
function formOf({ schema, example }) {
    const form = new FormData();
    for (const [name, value] of Object.entries(example)) {
        const member = schema.properties[name];
        const binary = member.format === 'binary' || member.items?.format === 'binary';
        for (const each of [value].flat()) binary ? form.append(name, photoBlob(), each) : form.append(name, each);
    }
    return form;
}

// One request for every form of body, each with the query's examples only where the body does not have them.
function* requestsOf(server, operation) {
    const { about } = operation;
    const url = urlOf(server, operation);
    const bare = url.split('?')[0];
    const method = operation.method.toUpperCase();
    if (!about.requestBody) yield [url, { method }];
    for (const [type, content] of Object.entries(about.requestBody?.content ?? {})) {
        if (type === 'multipart/form-data') yield [bare, { method, body: formOf(content) }];
        else if (type === 'application/json') {
            assert.ok(content.example, `${called(operation)}: no example of JSON`);
            yield [bare, { method, body: JSON.stringify(content.example), headers: { 'Content-Type': type } }];
        } else
            yield [url, { method, body: photoBlob(), headers: { 'Content-Type': type.replace('*', 'jpeg') } }];
    }
}

// ---- answers

// A document may leave objects open for what comes later; here, what it does not mention is a mistake.
function close(schema) {
    if (Array.isArray(schema)) return schema.map(close);
    if (schema === null || typeof schema !== 'object') return schema;
    const closed = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, close(value)]));
    if (schema.type === 'object' && schema.properties && schema.additionalProperties === undefined)
        closed.additionalProperties = false;
    return closed;
}

const covers = (described, type) =>
    described === type || (described.endsWith('/*') && type.startsWith(described.slice(0, -1)));

class Checker {
    constructor(document, Ajv) {
        this.document = document;
        this.closed = close(document.components.schemas);
        this.ajv = Ajv && new Ajv({ strict: false, validateFormats: false, allErrors: true });
        this.seen = new Map();
    }

    validate(schema, value, what) {
        const validator = this.ajv.compile({ ...close(schema), components: { schemas: this.closed } });
        assert.ok(validator(value), `${what}: ${this.ajv.errorsText(validator.errors)}: ${JSON.stringify(value)}`);
    }

    async check(operation, answer) {
        const what = `${called(operation)}: ${answer.status}`;
        const text = await answer.text();
        const described = resolve(this.document, operation.about.responses[answer.status]);
        assert.ok(described, `${what} is not described: ${text}`);
        this.seen.set(called(operation), [...(this.seen.get(called(operation)) ?? []), answer.status]);
        for (const [name, header] of Object.entries(described.headers ?? {}))
            assert.ok(answer.headers.get(name), `${what}: no ${name} (${header.description})`);
        if (!described.content) return;
        const type = answer.headers.get('content-type').split(';')[0];
        // What comes only to who asks for it stands apart: clients that are made of the document then know what they get.
        if (described['x-other-content']?.some((each) => covers(each, type))) return;
        const content = Object.entries(described.content).find(([each]) => covers(each, type));
        assert.ok(content, `${what}: ${type} is not described`);
        if (content[1].schema && this.ajv) this.validate(content[1].schema, JSON.parse(text), what);
    }
}

// ---- the tests

async function testRoutes(server, document) {
    const { routes } = await (await fetch(`${server.url}/`)).json();
    const described = new Map([...operationsOf(document)].map((each) => [called(each), each]));

    await test('openapi: every route is described, with who may ask it', () => {
        for (const route of routes) {
            const operation = described.get(`${route.method} ${route.path}`);
            assert.ok(operation, `${route.method} ${route.path} is not described`);
            assert.equal(operation.about['x-access'], route.access, `${route.method} ${route.path}: who may ask`);
        }
    });
    await test('openapi: every description is a route', () => {
        const served = new Set(routes.map((route) => `${route.method} ${route.path}`));
        for (const name of described.keys()) assert.ok(served.has(name), `${name} is no route`);
    });
    await test('openapi: every place in a path is a parameter, every name is unique', () => {
        const names = [...described.values()].map((each) => each.about.operationId);
        assert.equal(new Set(names).size, names.length);
        for (const { path, parameters } of described.values())
            assert.deepEqual(
                [...path.matchAll(/{(\w+)}/g)].map((match) => match[1]),
                parameters.filter((p) => p.in === 'path').map((p) => p.name),
            );
    });
}

// Every schema of a member or parameter of this name, wherever in the document it stands.
function* schemasOf(name, at) {
    if (at === null || typeof at !== 'object') return;
    if (at.name === name && at.in === 'query') yield at.schema;
    if (at.properties?.[name]) yield at.properties[name];
    for (const value of Object.values(at)) yield* schemasOf(name, value);
}

// What the program itself says of an option, and what the document says of it wherever it says anything.
async function testDefaults(document) {
    await test('openapi: the options of captions have the defaults of the program', () => {
        const help = execFileSync(binary, ['caption', '--help'], { encoding: 'utf8' });
        for (const name of ['max_words', 'decode', 'beam', 'length_penalty', 'temperature', 'top_k', 'top_p']) {
            const line = new RegExp(`--${name.replace('_', '-')} .*\\(default ([^,]+),`).exec(help);
            const schemas = [...schemasOf(name, { ...document.paths['/v1/caption'], ...document.components })];
            assert.ok(schemas.length > 1, `${name}: a parameter and a member`);
            for (const schema of schemas) assert.equal(`${schema.default}`, line[1], name);
        }
    });
}

// A job that runs until it is cancelled, for the one route that needs it.
async function startEndlessJob(server) {
    const body = { dataset: 'pets', model: 'never', from_scratch: true, minimum_captions: 1, epochs: 100000, hidden: 16, words: 8, minimum_count: 1, patience: 0 };
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${server.url}/v1/train`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 202);
    return `${(await answer.json()).id}`;
}

// The job of the example that makes two pictures, when it has made them.
async function waitForPictures(server) {
    const { jobs } = await (await fetch(`${server.url}/v1/jobs`)).json();
    const { id } = jobs.find((job) => job.kind === 'fool');
    await (await fetch(`${server.url}/v1/jobs/${id}/events`)).text();
    return `${id}`;
}

// Where the story alone does not lead to what an example's path names: the parameters to take instead.
const prepare = {
    cancelJob: async (server) => ({ id: await startEndlessJob(server) }),
    jobPicture: async (server) => ({ id: await waitForPictures(server) }),
    deleteModel: async () => ({ name: 'my-pets' }),
};

async function testExamples(server, document, Ajv) {
    const checker = new Checker(document, Ajv);
    const all = [...operationsOf(document)];
    const story = [...all.filter((each) => each.method !== 'delete'), ...all.filter((each) => each.method === 'delete').reverse()];

    for (const operation of story)
        await test(`openapi: ${called(operation)}`, async () => {
            const instead = (await prepare[operation.about.operationId]?.(server)) ?? {};
            operation.parameters = operation.parameters.map((p) => ({ ...p, example: instead[p.name] ?? p.example }));
            for (const [url, options] of requestsOf(server, operation)) {
                const answer = await fetch(url, options);
                await checker.check(operation, answer);
                assert.ok(answer.ok, `${called(operation)}: the example is answered ${answer.status}`);
            }
        });

    await test('openapi: refusals are described, too', async () => {
        const json = { 'Content-Type': 'application/json' };
        const refusals = [
            ['post', '/v1/caption', { body: 'no image', headers: { 'Content-Type': 'image/png' } }, 415],
            ['post', '/v1/caption', { body: '{', headers: json }, 400],
            ['post', '/v1/chat/completions', { body: '{}', headers: json }, 400],
            ['post', '/v2/models/{name}/infer', { body: '{}' }, 400],
            ['post', '/v1/train', { body: '{"dataset":"none","model":"x"}', headers: json }, 404],
            ['post', '/v1/train', { body: `{"dataset":"${'x'.repeat(17 << 20)}"}`, headers: json }, 413],
            ['post', '/v1/train', { body: '{"dataset":"none","model":"x"}', headers: { 'Content-Type': 'text/plain' } }, 415],
            ['get', '/v1/models', { query: '?colour=red' }, 400],
            ['get', '/v1/models/{name}', { query: '?colour=red' }, 400],
            ['get', '/v1/jobs/{id}', {}, 404],
            ['delete', '/v1/datasets/{name}', {}, 404],
        ];
        for (const [method, path, { query = '', ...options }, status] of refusals) {
            const operation = all.find((each) => each.path === path && each.method === method);
            const url = server.url + path.replace('{name}', path.includes('v2') ? 'lstm' : 'none').replace('{id}', '99') + query;
            const answer = await fetch(url, { method: method.toUpperCase(), ...options });
            assert.equal(answer.status, status);
            await checker.check(operation, answer);
        }
    });
}

// The example with each member, at every depth, in turn replaced by values of every type.
function* mutantsOf(value) {
    yield* [null, true, -1, 1e308, 'x', [], [1], {}, { x: 1 }];
    if (value === null || typeof value !== 'object') return;
    for (const key of Object.keys(value))
        for (const mutant of mutantsOf(value[key])) {
            const copy = structuredClone(value);
            copy[key] = mutant;
            yield copy;
        }
}

// 503 is for jobs: those that start fill the queue.
async function testMutants(document) {
    const server = await serve();
    await fetch(`${server.url}/v1/datasets/pets`, { method: 'PUT' });
    for (const operation of operationsOf(document)) {
        const example = operation.about.requestBody?.content?.['application/json']?.example;
        if (!example) continue;
        await test(`openapi: ${called(operation)}: members of any type are answered`, async () => {
            const [url] = urlOf(server, operation).split('?');
            for (const mutant of mutantsOf(example)) {
                const body = JSON.stringify(mutant);
                const answer = await fetch(url, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
                const what = `${body}: ${answer.status}: ${await answer.text()}`;
                assert.ok(answer.status < 500 || answer.status === 503, what);
                assert.ok(operation.about.responses[answer.status], `not described: ${what}`);
            }
        });
    }
    await server.stop();
}

export async function testOpenapi() {
    const server = await serve('--max-picture-jobs', '32');
    const document = await (await fetch(`${server.url}/openapi.json`)).json();
    await testRoutes(server, document);
    await testDefaults(document);

    const validator = await optional('@seriousme/openapi-schema-validator');
    if (validator)
        await test('openapi: the document is OpenAPI 3.1', async () => {
            const result = await new validator.Validator().validate(document);
            assert.ok(result.valid, JSON.stringify(result.errors, null, 1));
            assert.match(document.openapi, /^3\.1\./);
        });
    else skip('openapi: the document is OpenAPI 3.1', 'npm could not install @seriousme/openapi-schema-validator');

    const ajv = await optional('ajv/dist/2020.js');
    if (ajv) await testExamples(server, document, ajv.default.default ?? ajv.default);
    else skip('openapi: the examples', 'npm could not install ajv');
    await server.stop();
    await testMutants(document);
}
