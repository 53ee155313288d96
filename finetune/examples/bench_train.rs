fn main() {
    let a: Vec<String> = std::env::args().collect();
    let c = lmcodec_finetune::train::read_config(a[1].as_ref()).unwrap();
    let d = lmcodec_finetune::device::DeviceKind::Cpu.open().unwrap();
    let n = a.get(3).map(|x| x.parse().unwrap());
    let o = lmcodec_finetune::train::train(&c, a[2].as_ref(), &d, n).unwrap();
    println!("{:?}", o.state);
}
