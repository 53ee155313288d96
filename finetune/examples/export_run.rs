use lmcodec_finetune::{export, parity, train};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let c = train::read_config(a[1].as_ref()).unwrap();
    let d = lmcodec_finetune::device::DeviceKind::Cpu.open().unwrap();
    let m = train::load_model(a[2].as_ref(), &c, &d).unwrap();
    let bytes = export::export(&m, &c.model.config());
    std::fs::write(&a[3], &bytes).unwrap();
    if a.len() > 4 { return }
    let photos = lmcodec_datasets::photos::load_folder(&c.data.folder).unwrap();
    for q in [20, 50, 80, 95] {
        let images = parity::held_out_images(&photos, c.data.validation_one_in, 4, q);
        let p = parity::parity(&m, &bytes, &images, q, &d).unwrap();
        println!("{p:?} {:.3} % count {:.3} %", p.cost_percent(), 100.*(p.integer_bits / p.float_bits - 1.));
    }
}
