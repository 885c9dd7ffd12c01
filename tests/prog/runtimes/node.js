// SPDX-License-Identifier: Apache-2.0
// Workers, compiled code, files and streams, child processes, timers, signals, sockets by path, WebAssembly.
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
const cp = require('child_process'), crypto = require('crypto'), fs = require('fs'), net = require('net'), zlib = require('zlib');

const event = (from, name) => new Promise(done => from.on(name, (...args) => done(args)));
const sleep = ms => new Promise(done => setTimeout(done, ms));
const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);

function worker() {
	let sum = 0;
	for (let i = 0; i < 3e6; i++)
		sum = (sum * 31 + i + workerData) | 0;
	parentPort.postMessage(sum);
}

async function main() {
	const sums = [0, 1, 2, 3].map(k => event(new Worker(__filename, { workerData: k }), 'message'));
	console.log('workers', (await Promise.all(sums)).join(), 'fib', fib(26));

	fs.writeFileSync('a', 'x'.repeat(100000));
	const packed = fs.createReadStream('a').pipe(zlib.createGzip()).pipe(fs.createWriteStream('a.gz'));
	await event(packed, 'finish');
	console.log('files', (await fs.promises.readFile('a')).length, zlib.gunzipSync(fs.readFileSync('a.gz')).length);

	const child = cp.spawnSync('sh', ['-c', 'cat; exit 7'], { input: 'in' });
	console.log('child', child.status, child.stdout.toString());
	const sleeper = cp.spawn('sleep', ['100']);
	setTimeout(() => sleeper.kill('SIGTERM'), 20);
	console.log('killed', await event(sleeper, 'exit'));
	const forked = cp.fork(__filename, ['forked']);
	forked.on('message', m => forked.send(m + 1));
	console.log('forked', await event(forked, 'exit'));

	let ticks = 0;
	await new Promise(done => { const t = setInterval(() => { if (++ticks == 10) { clearInterval(t); done(); } }, 2); });
	const signal = event(process, 'SIGUSR2');
	process.kill(process.pid, 'SIGUSR2');
	console.log('timer', ticks, 'signal', (await signal)[0]);
	console.log('pool', (await new Promise(done => crypto.pbkdf2('a', 'b', 9999, 32, 'sha256', (e, k) => done(k)))).toString('hex'));

	const server = net.createServer(c => c.on('data', d => c.end('echo ' + d)));
	server.listen('./socket');
	await event(server, 'listening');
	const client = net.connect('./socket');
	client.write('x');
	console.log('socket', (await event(client, 'data')).toString());
	server.close();

	const kept = [];
	for (let i = 0; i < 300000; i++)
		kept[i % 50000] = { i, text: 's' + i };
	console.log('garbage', kept.reduce((h, o) => (h * 33 + o.text.length + o.i) | 0, 0));
	const add = [0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7,
		0, 32, 0, 32, 1, 106, 11];
	const memories = [1, 2, 3, 4].map(() => new WebAssembly.Memory({ initial: 1, maximum: 65536 })); // gigabytes, reserved
	console.log('wasm', new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(add))).exports.add(2, 3), memories.length);
	await sleep(1);
	process.on('exit', code => console.log('exit', code));
	process.exitCode = 3;
}

if (!isMainThread) {
	worker();
} else if (process.argv[2] == 'forked') {
	process.send(41);
	process.on('message', m => process.exit(m));
} else {
	main();
}
