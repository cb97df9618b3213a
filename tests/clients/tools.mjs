// tools.mjs: GET /openapi.json in the hands of tools that people use: linters find no error in it, and a client that
// openapi-typescript and openapi-fetch make of it compiles, with typed answers, and runs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { optional, serve, skip, test } from './support.mjs';

const here = dirname(fileURLToPath(import.meta.url));

async function testRedocly(text) {
    const module = await optional('@redocly/openapi-core');
    if (!module) return skip('redocly', 'npm could not install @redocly/openapi-core');
    const { createConfig, lintFromString } = module.default ?? module;
    await test("redocly: the recommended rules find no error", async () => {
        const config = await createConfig({ extends: ['recommended'] });
        const found = await lintFromString({ source: text, absoluteRef: 'openapi.json', config });
        const errors = found.filter((each) => each.severity === 'error');
        assert.deepEqual(errors.map((each) => `${each.ruleId} ${each.location[0]?.pointer} ${each.message}`), []);
    });
}

async function testSpectral(text) {
    const core = await optional('@stoplight/spectral-core');
    const rulesets = await optional('@stoplight/spectral-rulesets');
    if (!core || !rulesets) return skip('spectral', 'npm could not install @stoplight/spectral-core');
    await test('spectral: the rules of OpenAPI find no error', async () => {
        const { Spectral } = core.default ?? core;
        const linter = new Spectral();
        linter.setRuleset({ extends: [[(rulesets.default ?? rulesets).oas, 'recommended']] });
        const found = await linter.run(JSON.parse(text));
        assert.deepEqual(found.filter((each) => each.severity === 0).map((each) => `${each.code} ${each.path.join('/')} ${each.message}`), []);
    });
}

// What is wrong in it must not compile: then the answers are not just `any`.
const program = `
import createClient from 'openapi-fetch';
import type { paths } from './api.js';
import { readFileSync } from 'node:fs';

const client = createClient<paths>({ baseUrl: process.argv[2]! });
const image = readFileSync('docs/images/chelsea.jpg').toString('base64');

const { data, error } = await client.POST('/v1/caption', { body: { image, max_words: 12 } });
if (!data) throw new Error(error.detail);
const text: string = data.captions[0]!.text;
const total: number = data.timing.total_ms;
// @ts-expect-error a text is no number
const wrong: number = data.captions[0]!.text;
// @ts-expect-error a number of words is no text
await client.POST('/v1/caption', { body: { image, max_words: 'many' } });
// @ts-expect-error there is no such route
await client.GET('/v1/nothing');

const models = await client.GET('/v1/models');
const names: string[] = models.data!.models.map((model) => model.name);
const missing = await client.GET('/v1/models/{name}', { params: { path: { name: 'none' } } });
const reason: string = missing.error!.title;
const response = await client.POST('/v1/responses', {
    body: { input: [{ role: 'user', content: [{ type: 'input_image', image_url: \`data:image/jpeg;base64,\${image}\` }] }] },
});
const said: string = response.data!.output[0]!.content[0]!.text;
console.log(JSON.stringify({ text, total, names, reason, status: missing.response.status, said, wrong: typeof wrong }));
`;

const compiler = {
    compilerOptions: {
        strict: true,
        noUncheckedIndexedAccess: true,
        target: 'es2022',
        module: 'nodenext',
        moduleResolution: 'nodenext',
        skipLibCheck: true,
        types: [],
        outDir: '.',
    },
    files: ['program.ts', 'node.d.ts'],
};

// The little of Node's types that the program needs.
const nodeTypes = `
declare module 'node:fs' { export function readFileSync(path: string): { toString(encoding: string): string }; }
declare const process: { argv: string[] };
`;

async function testTyped(server, document) {
    const generator = await optional('openapi-typescript');
    if (!generator || !(await optional('openapi-fetch')) || !(await optional('typescript')))
        return skip('typed client', 'npm could not install openapi-typescript, openapi-fetch and typescript');
    await test('typed client: what is generated compiles, refuses what is wrong, and is answered', async () => {
        const folder = join(here, 'typed');
        mkdirSync(folder, { recursive: true });
        const nodes = await generator.default(document);
        writeFileSync(join(folder, 'api.ts'), generator.astToString(nodes));
        writeFileSync(join(folder, 'program.ts'), program);
        writeFileSync(join(folder, 'node.d.ts'), nodeTypes);
        writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
        writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(compiler));
        try {
            execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), '-p', folder], { encoding: 'utf8' });
        } catch (failure) {
            assert.fail(failure.stdout);
        }
        const told = JSON.parse(execFileSync(process.execPath, [join(folder, 'program.js'), server.url], { encoding: 'utf8' }));
        assert.ok(told.text.split(' ').length > 2 && told.text.split(' ').length <= 12);
        assert.ok(told.total > 0 && told.names.includes('lstm') && told.said.length > 3);
        assert.equal(told.status, 404);
        assert.equal(told.reason, 'There is no such model');
        assert.equal(told.wrong, 'string');
    });
}

export async function testTools() {
    const server = await serve();
    const text = await (await fetch(`${server.url}/openapi.json`)).text();
    await testRedocly(text);
    await testSpectral(text);
    await testTyped(server, JSON.parse(text));
    await server.stop();
}
