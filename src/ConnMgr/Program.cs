using ConnMgr.EventLoop;
using ConnMgr.Native;
Loop loop = new();
using Signals s = new(loop, n => { Console.Error.WriteLine($"signal {n}"); loop.Stop(); }, Libc.SIGTERM, Libc.SIGINT);
_ = new Watchdog();
loop.Run(() => { });
