"""All techniques: the 119 listed papers, and what users expect beside them. One line of data each.

  python -m decoupled_gan.catalogue            writes docs/catalogue.md
  python -m decoupled_gan.catalogue --json     prints the rows

A row is `Row(number or name, title, source, arXiv, home, recipe)`: `home` is 'file:definition' below
the package where it lives, `recipe` what one types behind --config=; of others `study` is what one types
behind --study=, `command` of a metric, a sampler or a mode. A row without a home is planned. The status
is computed from the source, never written:

  planned  there is no home
  routed   home and recipe exist; the recipe's table is proved by tests/test_rows.py
  tested   a test bears @pytest.mark.row(<its number or name>)
  shown    its recipe's (or home's) header tells what was measured, behind the word `Measured`

A header with several rows tells of the one with the fewest words, the first of them; what was measured
of another stands in a paragraph of its own, `Measured <word>:`, by a word of its recipe or by the name
of its definition.
"""

import ast
import functools
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from decoupled_gan import recipe_files

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent
STATUSES = ('planned', 'routed', 'tested', 'shown')


@dataclass(frozen=True)
class Row:
  """One technique; see the module's docstring."""

  row: int | str
  name: str
  source: str
  arxiv: str = ''
  home: str = ''
  recipe: str = ''
  study: str = ''
  command: str = ''

  @property
  def file(self) -> Path:
    """The module of its home."""
    return PACKAGE / self.home.partition(':')[0]

  @property
  def module(self) -> str:
    """The recipe without its words."""
    return self.recipe.partition(':')[0]

  @property
  def typed(self) -> str:
    """What one types behind `decoupled-gan`."""
    if self.study:
      return f'study --study={self.study}'
    return f'--config={self.recipe}' if self.recipe else self.command

  @property
  def status(self) -> str:
    if not self.home:
      return 'planned'
    if self.measured:
      return 'shown'
    return 'tested' if tests_of(self.row) else 'routed'

  @property
  def measured(self) -> str:
    """What its header says of it behind `Measured:`, up to the end of the paragraph; '' if nothing."""
    header, own = docstring(self.header_file), [f'\nMeasured {word}:' for word in self.words]
    others = [row for row in ROWS if row.home and row.header == self.header]
    first = min(others, key=lambda row: len(row.words), default=self)
    for mark in (*own, *(['\nMeasured:'] if first == self else [])):
      _, found, text = header.partition(mark)
      if found:
        return ' '.join(text.partition('\n\n')[0].split())
    return ''

  @property
  def words(self) -> list[str]:
    """What its own paragraph of a header may be named by."""
    _, _, words = (self.recipe or self.home).partition(':')
    return list(filter(None, words.split(',')))

  @property
  def header(self) -> str:
    """Whose docstring tells of it: the study's, the recipe's, or the home's where there is none."""
    if self.study:
      return f'configs/studies/{self.study}.py'
    return f'configs/{self.module}.py' if self.recipe else self.home.partition(':')[0]

  @property
  def header_file(self) -> Path:
    room, _, path = self.header.partition('/')
    return recipe_files.shipped() / path if room == 'configs' else PACKAGE / self.header


ROWS = (
  Row(1, 'AM-GAN + AM Score', 'Zhou et al., ICLR 2018', '1703.02000',
      'networks/games.py:am_dynamic', 'am_gan:labelled_digits'),
  Row(2, 'R3GAN', 'Huang et al., NeurIPS 2024', '2501.05441',
      'networks/backbones/r3gan.py:generator', 'r3gan'),
  Row(3, 'Are GANs Created Equal', 'Lucic et al., NeurIPS 2018', '1711.10337',
      'studies/plan.py:Study', study='losses'),
  Row(4, 'GAN-only I2I (Mechanisms)', 'Chen et al., IEEE Access 2025', '2411.10368',
      'methods/translate/cyclegan.py:r1', 'cyclegan:gan_only'),
  Row(5, 'WGAN', 'Arjovsky et al., ICML 2017', '1701.07875',
      'losses/adversarial.py:wasserstein', 'wgan'),
  Row(6, 'NTK view of GANs', 'Franceschi et al., ICML 2022', '2106.05566'),
  Row(7, 'Regularization & Normalization study', 'Kurach et al., ICML 2019', '1807.04720',
      'studies/statistics.py:mean_ranks', study='regularisation'),
  Row(8, 'f-CLSWGAN', 'Xian et al., CVPR 2018', '1712.00981'),
  Row(9, 'Self-Conditioned GAN', 'Liu et al., CVPR 2020', '2006.10728',
      'methods/events/clusters.py:cluster', 'self_conditioned_gan:digits'),
  Row(10, 'StyleGAN2-ADA', 'Karras et al., NeurIPS 2020', '2006.06676',
      'augment/ada.py:build', 'stylegan2_ada'),
  Row(11, 'Class-embedding fine-tuning', 'Li et al., ACCV 2020', '1910.04760'),
  Row(12, 'Latent-recovery overfitting test', 'Webster et al., CVPR 2019', '1901.03396',
      'sampling/recovery.py:verdict', command='recover --workdir=RUN'),
  Row(13, 'Noise dimension of GAN', '2024', '2403.09196'),
  Row(14, 'ProGAN', 'Karras et al., ICLR 2018', '1710.10196'),
  Row(15, 'StudioGAN', 'Kang et al., TPAMI 2023', '2206.09479',
      'networks/games.py:GAMES', 'studiogan:labelled_digits'),
  Row(16, 'HyperDomainNet', 'Alanov et al., NeurIPS 2022', '2210.08884'),
  Row(17, 'SAN', 'Takida et al., ICLR 2024', '2301.12811', 'terms/outputs.py:direction', 'san'),
  Row(18, 'CRDR image compression', 'Iwai et al., WACV 2024', ''),
  Row(19, 'One-Shot GenDA', 'Yang et al., ICCV 2023', '2111.09876'),
  Row(20, 'Data Cleansing for GANs', 'Terashita et al.', ''),
  Row(21, 'BAGAN', 'Mariani et al., 2018', '1803.09655', 'methods/noise/bagan.py:initialise', 'bagan'),
  Row(22, 'Smoothness-similarity adaptation', 'Sushko et al., ICCV 2023', '2308.09717'),
  Row(23, 'FastGAN', 'Liu et al., ICLR 2021', '2101.04775'),
  Row(24, 'StyleDomain', 'Alanov et al., ICCV 2023', '2212.10229'),
  Row(25, 'Gated-conv inpainting + SN-PatchGAN', 'Yu et al., ICCV 2019', '1806.03589',
      'methods/translate/inpaint.py:complete', 'inpaint'),
  Row(26, 'AdaptiveMix', 'Liu et al., CVPR 2023', '2303.01559',
      'terms/mixing.py:adaptive_mix', 'adaptive_mix'),
  Row(27, 'DCGAN', 'Radford et al., ICLR 2016', '1511.06434',
      'networks/backbones/dcgan.py:generator', 'dcgan'),
  Row(28, 'CAFD evaluation', 'Liu et al., 2018', '1803.07474',
      'evaluation/metrics/classes.py:cafd',
      command='evaluate --workdir=RUN --metrics=cafd@own --own=CLASSIFIER'),
  Row(29, 'Squentropy', 'Hui et al., ICML 2023', '2302.03952',
      'losses/classification/logits.py:Squentropy', 'squentropy:labelled_digits'),
  Row(30, 'Continuous cGAN + G regularizer', 'Zheng et al., 2021', '2103.14884',
      'terms/quantities.py:neighbours', 'continuous_gan:circle6'),
  Row(31, 'Text2FaceGAN', 'Nasir et al., BigMM 2019', '1911.11378'),
  Row(32, 'MD-GAN', 'Hardy et al., IPDPS 2019', '1811.03850'),
  Row(33, 'Instance-Conditioned GAN', 'Casanova et al., NeurIPS 2021', '2109.05070',
      'methods/events/instances.py:find', 'ic_gan:digits'),
  Row(34, 'UGC unified compression', 'Ren et al., ICCV 2023', '2309.09310'),
  Row(35, 'Improved Techniques', 'Salimans et al., NIPS 2016', '1606.03498',
      'terms/fakes.py:feature_matching', 'improved_gan:labelled_digits'),
  Row(36, 'Collaborative sampling', 'Liu et al., AAAI 2020', '1902.00813',
      'sampling/collaborative.py:refine',
      command='generate --workdir=RUN --sampler=collaborative --shape_steps=300'),
  Row(37, 'One Model to Reconstruct Them All', 'Bartz et al., BMVC 2020', '2010.11113'),
  Row(38, 'Projected GAN', 'Sauer et al., NeurIPS 2021', '2111.01007'),
  Row(39, 'StyleGAN2', 'Karras et al., CVPR 2020', '1912.04958',
      'methods/noise/stylegan2.py:generate', 'tiles:stylegan2'),
  Row(40, 'Zero-shot semantic variations', 'Jeon et al., ICCV 2023', '2308.10554'),
  Row(41, 'AugSelf-GAN', 'Hou et al., NeurIPS 2023', '2205.15677',
      'terms/augmentation.py:augself', 'augself_gan'),
  Row(42, 'PTGAN (parallel tempering)', 'Sohn and Song, 2024', '2411.11786',
      'terms/scenes/tempered.py:Tempered', 'ptgan:ring8'),
  Row(43, 'BigGAN', 'Brock et al., ICLR 2019', '1809.11096'),
  Row(44, 'Discriminative vs generative probes', 'Zheng et al., ICML 2023', '2302.02334'),
  Row(45, 'Open-world GAN attribution', 'Girish et al., ICCV 2021', '2105.04580'),
  Row(46, 'Learning from adversarial perturbations', 'Kumano et al., ICLR 2024', '2402.10470'),
  Row(47, 'MMD GAN + KID', 'Binkowski et al., ICLR 2018', '1801.01401',
      'losses/kernels.py:squared_mmd', 'mmd_gan'),
  Row(48, 'GAN-EM', 'Zhao et al., IJCAI 2019', '1812.00335',
      'methods/noise/gan_em.py:on_real', 'gan_em'),
  Row(49, 'MOT adversarial classification', 'García Trillos et al., JMLR 2023', '2204.12676'),
  Row(50, 'Council-GAN', 'Nizan and Tal, CVPR 2020', '1911.10538',
      'methods/translate/council.py:convene', 'council'),
  Row(51, 'Adapt-then-Unlearn', 'Tiwary et al., TMLR 2025', '2309.14054'),
  Row(52, 'S2M sampling', 'Cho et al., NeurIPS 2022', '2206.05764',
      'sampling/set_operations.py:ratio',
      command='generate --workdir=RUN --sampler=s2m --classes=A,B --without=C'),
  Row(53, 'SSGAN-LA', 'Hou et al., NeurIPS 2021', '2106.08601',
      'terms/classes.py:rotations', 'ssgan_la:digits'),
  Row(54, 'MEE (manifold entropy)', 'Liu et al., AAAI 2023', '2208.12055',
      'terms/entropy.py:entropy', 'mee'),
  Row(55, 'VoloGAN', 'Kirch et al., 2022', '2207.09204'),
  Row(56, 'Diversity-aware channel pruning', 'Chung et al., CVPR 2024', '2403.13548'),
  Row(57, 'SRGAN', 'Ledig et al., CVPR 2017', '1609.04802',
      'methods/translate/srgan.py:upsample', 'srgan'),
  Row(58, 'Slimmable GAN', 'Hou et al., AAAI 2021', '2012.05660'),
  Row(59, 'LFS-GAN', 'Seo et al., ICCV 2023', '2308.11917'),
  Row(60, 'StyleGAN', 'Karras et al., CVPR 2019', '1812.04948'),
  Row(61, 'Robustness accuracy disparity', 'Hu et al., ICML 2023', '2211.15762'),
  Row(62, 'GDAN', 'Huang et al., CVPR 2019', '1811.04857'),
  Row(63, 'Effectiveness of data augmentation', 'Perez and Wang, 2017', '1712.04621'),
  Row(64, 'Diverse rare sample generation', '2024', '2412.19543'),
  Row(65, 'SAM for class imbalance', 'Rangwani et al., NeurIPS 2022', '2212.13827'),
  Row(66, 'SLOGAN', 'Hwang et al., ICLR 2022', '2106.05319',
      'methods/encode/slogan.py:contrastive', 'slogan'),
  Row(67, 'ADC-GAN', 'Hou et al., ICML 2022', '2107.10060',
      'networks/games.py:adc', 'adc_gan:labelled_digits'),
  Row(68, 'SRAT', 'Wang et al., KDD 2022', '2107.13639'),
  Row(69, 'UniSeg label-shift losses', 'Kim et al., ECCV 2022', '2202.14030',
      'losses/classification/logits.py:NullBCE', 'uniseg'),
  Row(70, 'ADM / classifier guidance', 'Dhariwal and Nichol, NeurIPS 2021', '2105.05233'),
  Row(71, 'SphereFace2', 'Wen et al., ICLR 2022', '2108.01513',
      'losses/classification/centres.py:SphereFace2', 'sphereface2:held_out_digits'),
  Row(72, 'Diffusion-GAN', 'Wang et al., ICLR 2023', '2206.02262',
      'augment/diffusion.py:build', 'diffusion_gan'),
  Row(73, 'DCD distillation', 'Hu et al., AAAI 2023', '2212.14169'),
  Row(74, 'Diffusion→conditional GAN', 'Kang et al., ECCV 2024', '2405.05967'),
  Row(75, 'Denoising Diffusion GAN', 'Xiao et al., ICLR 2022', '2112.07804'),
  Row(76, 'StarGANv2-VC', 'Li et al., Interspeech 2021', '2107.10394'),
  Row(77, 'SinGAN', 'Rott Shaham et al., ICCV 2019', '1905.01164',
      'methods/noise/singan.py:SinGAN', 'singan'),
  Row(78, 'GLO', 'Bojanowski et al., ICML 2018', '1707.05776',
      'methods/encode/glo.py:reconstruct', 'glo'),
  Row(79, 'StackGAN++', 'Zhang et al., TPAMI 2018', '1710.10916',
      'methods/noise/stackgan.py:StackGAN', 'stackgan'),
  Row(80, 'BigBiGAN', 'Donahue and Simonyan, NeurIPS 2019', '1907.02544',
      'methods/encode/bigbigan.py:hinge', 'bigbigan'),
  Row(81, 'SOVR', 'Kanai et al., ICML 2023', '2207.10283',
      'losses/classification/logits.py:SOVR', 'sovr:labelled_digits'),
  Row(82, 'mGANprior', 'Gu et al., CVPR 2020', '1912.07116', 'sampling/multicode.py:compose',
      command='project --workdir=RUN --input=IMAGES --layer=STAGE --codes=5'),
  Row(83, 'Proto-Triplet + ICNN', 'Mendez-Ruiz et al., 2023', '2305.09062',
      'losses/classification/episodes.py:ProtoTriplet', 'proto_triplet:few_shot_digits'),
  Row(84, 'ViTGAN', 'Lee et al., ICLR 2022', '2107.04589'),
  Row(85, 'BiGAN', 'Donahue et al., ICLR 2017', '1605.09782',
      'methods/encode/bigan.py:contest', 'bigan'),
  Row(86, 'MobileStyleGAN', 'Belousov, 2021', '2104.04767'),
  Row(87, 'TecoGAN', 'Chu et al., SIGGRAPH 2020', '1811.09393'),
  Row(88, 'GAN Dissection', 'Bau et al., ICLR 2019', '1811.10597'),
  Row(89, 'Partial FC', 'An et al., CVPR 2022', '2203.15565',
      'losses/classification/centres.py:PartialFC', 'partial_fc:sphere200'),
  Row(90, 'UNPG', 'Jung et al., BMVC 2022', '2203.11593',
      'losses/classification/centres.py:UNPG', 'unpg:held_out_digits'),
  Row(91, 'DMD2', 'Yin et al., NeurIPS 2024', '2405.14867'),
  Row(92, 'Spectral Normalization', 'Miyato et al., ICLR 2018', '1802.05957',
      'layers/named_norms.py:Norm', 'sngan'),
  Row(93, 'Fidelity-controllable compression', 'Iwai et al., ICPR 2020', '2008.10314'),
  Row(94, 'AVDM video distillation', 'Zhu et al., 2024', '2412.05899'),
  Row(95, 'GAN (original)', 'Goodfellow et al., NIPS 2014', '1406.2661',
      'methods/gan.py:discriminate', 'gan:digits'),
  Row(96, 'GAN Vocoder MRD', 'You et al., Interspeech 2021', '2103.05236'),
  Row(97, 'LsrGAN', 'Vyas et al., ECCV 2020', '2007.09549'),
  Row(98, 'WGAN-GP', 'Gulrajani et al., NIPS 2017', '1704.00028',
      'terms/penalties.py:gradient_penalty', 'wgan_gp'),
  Row(99, 'Dark Side Augmentation', 'Mohwald et al., ICCV 2023', ''),
  Row(100, 'Z-loss', 'de Brébisson and Vincent, 2016', '1604.08859',
      'losses/classification/logits.py:ZLoss', 'z_loss:sphere200'),
  Row(101, 'SWYCC', 'Birodkar et al., 2024', '2409.02529'),
  Row(102, 'Triplet networks with GAN', 'Zieba and Wang, 2017', '1704.02227',
      'terms/triplets.py:triplet', 'triplet_gan:labelled_digits'),
  Row(103, 'Dual adversarial training (JEM)', 'Yin et al., 2025', '2510.13872'),
  Row(104, 'Harmonic loss', 'Baek et al., 2025', '2502.01628',
      'losses/classification/centres.py:Harmonic', 'harmonic:modular31'),
  Row(105, 'Adversarial Flow Models', 'Lin et al., ICML 2026', '2511.22475',
      'terms/fakes.py:transport', 'adversarial_flow'),
  Row(106, 'RDGAN', 'Dao et al., 2023', '2311.17101'),
  Row(107, 'ReLabel ImageNet', 'Yun et al., CVPR 2021', '2101.05022'),
  Row(108, 'GANformer2', 'Hudson and Zitnick, NeurIPS 2021', '2111.08960'),
  Row(109, 'SAGAN', 'Zhang et al., ICML 2019', '1805.08318',
      'layers/attention.py:SelfAttention', 'sagan'),
  Row(110, 'DVERGE', 'Yang et al., NeurIPS 2020', '2009.14720'),
  Row(111, "GANs N' Roses", 'Chong and Forsyth, 2021', '2106.06561',
      'methods/translate/gnr.py:play', 'gnr'),
  Row(112, 'MFAGAN', 'Cheng et al., 2021', '2107.12679'),
  Row(113, 'Encouraging loss (well-classified)', 'Zhao et al., AAAI 2022', '2110.06537',
      'losses/classification/logits.py:Encouraging', 'encouraging:imbalanced_digits'),
  Row(114, 'DAFA', 'Lee et al., ICLR 2024', '2401.12532'),
  Row(115, 'LOTA detector', 'Wang et al., ICCV 2025', '2510.14230'),
  Row(116, 'Dual-encoder BiGAN', 'Budianto et al., 2020', '2012.11834',
      'methods/encode/dual_bigan.py:detect', 'dual_bigan'),
  Row(117, 'NitroFusion', 'Chen et al., CVPR 2025', '2412.02030'),
  Row(118, 'DVD-GAN', 'Clark et al., 2019', '1907.06571'),
  Row(119, 'Loss-landscape visualisation', 'Li et al., NeurIPS 2018', '1712.09913'),
  # beside them
  Row('nice', 'NICE-GAN', 'Chen et al., CVPR 2020', '2003.00273',
      'methods/translate/nice.py:translate', 'nice'),
  Row('cyclegan', 'CycleGAN', 'Zhu et al., ICCV 2017', '1703.10593',
      'methods/translate/cyclegan.py:translate', 'cyclegan'),
  Row('pix2pix', 'pix2pix', 'Isola et al., CVPR 2017', '1611.07004',
      'methods/translate/pix2pix.py:translate', 'pix2pix'),
  Row('cut', 'CUT', 'Park et al., ECCV 2020', '2007.15651',
      'methods/translate/cut.py:translate', 'cut'),
  Row('fastcut', 'FastCUT', 'Park et al., ECCV 2020', '2007.15651',
      'methods/translate/cut.py:mirrored', 'cut:fast'),
  Row('ugatit', 'U-GAT-IT', 'Kim et al., ICLR 2020', '1907.10830',
      'methods/translate/ugatit.py:translate', 'ugatit'),
  Row('munit', 'MUNIT', 'Huang et al., ECCV 2018', '1804.04732',
      'methods/translate/munit.py:translate', 'munit'),
  Row('edgan', 'ED//GAN', 'Zhang et al., WACV 2018', '1801.06790',
      'methods/translate/edgan.py:reconstruct', 'terrain_pairs'),
  Row('edgan_labelled', 'ED//GAN on labelled images', 'Zhang et al., WACV 2018', '1801.06790',
      'methods/translate/edgan_labelled.py:judge', 'avatars'),
  Row('classifier', 'Classifier by cross-entropy, feature network own', '', '',
      'methods/classify/classifier.py:learn', 'classifier:labelled_digits'),
  Row('fd', 'Frechet distance in the features of a classifier of yours', '', '',
      'evaluation/own.py:provide', command='evaluate --workdir=RUN --metrics=fd@own --own=CLASSIFIER'),
  Row('intra_fid', 'FID within classes', 'Miyato and Koyama, ICLR 2018', '1802.05637',
      'evaluation/metrics/classes.py:intra_fid', command='evaluate --workdir=RUN --metrics=intra_fid'),
  Row('prd', 'Precision and recall for distributions', 'Sajjadi et al., NeurIPS 2018', '1806.00035',
      'evaluation/metrics/fidelity.py:prd_curve',
      command='evaluate --workdir=RUN --metrics=prd_recall,prd_precision'),
  Row('fd_infinity', 'FID at infinity', 'Chong and Forsyth, CVPR 2020', '1911.07023',
      'evaluation/metrics/fidelity.py:fd_infinity',
      command='evaluate --workdir=RUN --metrics=fd_infinity'),
  Row('vendi', 'Vendi score', 'Friedman and Dieng, TMLR 2023', '2210.02410',
      'evaluation/metrics/fidelity.py:vendi', command='evaluate --workdir=RUN --metrics=vendi'),
  Row('authenticity', 'Authenticity', 'Alaa et al., ICML 2022', '2102.08921',
      'evaluation/metrics/fidelity.py:authenticity',
      command='evaluate --workdir=RUN --metrics=authenticity'),
  Row('copying', 'Data copying test, C_T', 'Meehan et al., AISTATS 2020', '2004.05675',
      'evaluation/metrics/fidelity.py:copying', command='evaluate --workdir=RUN --metrics=copying'),
  Row('realism', 'Realism score', 'Kynkaanniemi et al., NeurIPS 2019', '1904.06991',
      'evaluation/metrics/fidelity.py:realism', command='evaluate --workdir=RUN --metrics=realism'),
  Row('ms_ssim', 'MS-SSIM of generated images', 'Odena et al., ICML 2017', '1610.09585',
      'evaluation/metrics/similarity.py:ms_ssim',
      command='evaluate --workdir=RUN --metrics=ms_ssim_320'),
  Row('cas', 'CAS, classification accuracy score', 'Ravuri and Vinyals, NeurIPS 2019', '1905.10887',
      'evaluation/metrics/classes.py:cas',
      command='evaluate --workdir=RUN --metrics=cas_10k@own --own=CLASSIFIER'),
  Row('ppl', 'Perceptual path length', 'Karras et al., CVPR 2019', '1812.04948',
      'evaluation/metrics/path_length.py:ppl', command='evaluate --workdir=RUN --metrics=ppl_10k'),
  Row('nrds', 'NRDS', 'Zhang et al., WACV 2018', '1801.06790', 'evaluation/metrics/nrds.py:scores',
      command='nrds --real=IMAGES --fakes=a=IMAGES,b=IMAGES --workdir=RUN'),
  Row('glead', 'GLeaD', 'Bai et al., CVPR 2023', '2212.03752',
      'methods/encode/glead.py:discriminate', 'tiles'),
  Row('projector', "StyleGAN2's projector", 'Karras et al., CVPR 2020', '1912.04958',
      'sampling/projector.py:advance', command='project --workdir=RUN --input=IMAGES'),
  Row('drs', 'Discriminator rejection sampling', 'Azadi et al., ICLR 2019', '1810.06758',
      'sampling/rejection.py:acceptance', command='generate --workdir=RUN --sampler=rejection'),
  Row('mh_gan', 'MH-GAN', 'Turner et al., ICML 2019', '1811.11357', 'sampling/metropolis.py:chain',
      command='generate --workdir=RUN --sampler=mh'),
  Row('ddls', 'DDLS', 'Che et al., NeurIPS 2020', '2003.06060', 'sampling/langevin.py:walk',
      command='generate --workdir=RUN --sampler=langevin'),
  Row('truncation', "BigGAN's truncation", 'Brock et al., ICLR 2019', '1809.11096',
      'sampling/truncation.py:truncated',
      command='generate --workdir=RUN --sampler=truncation --truncation=0.5'),
  Row('least_squares', 'LSGAN', 'Mao et al., ICCV 2017', '1611.04076',
      'losses/adversarial.py:least_squares_pair', 'lsgan'),
  Row('hinge', 'Hinge loss', 'Lim and Ye, 2017', '1705.02894',
      'losses/adversarial.py:hinge_pair', 'hinge_gan'),
  Row('relativistic', 'Relativistic GANs', 'Jolicoeur-Martineau, ICLR 2019', '1807.00734',
      'losses/adversarial.py:relativistic', 'relativistic_gan'),
  Row('cramer', 'Cramer GAN', 'Bellemare et al., 2017', '1705.10743',
      'losses/adversarial.py:cramer', 'cramer_gan'),
  Row('r1', 'R1, R2', 'Mescheder et al., ICML 2018', '1801.04406', 'terms/penalties.py:r1', 'r1_gan'),
  Row('one_sided', 'One-sided gradient penalty', 'Gulrajani et al., NIPS 2017', '1704.00028',
      'terms/penalties.py:one_sided_gradient_penalty', 'wgan_gp:one_sided'),
  Row('max_gradient', 'Maximum gradient penalty', 'Zhou et al., ICML 2019', '1902.05687',
      'terms/penalties.py:max_gradient', 'wgan_gp:max_gradient'),
  Row('drift', 'Drift penalty', 'Karras et al., ICLR 2018', '1710.10196',
      'terms/penalties.py:drift', 'wgan_gp:drift'),
  Row('dragan', 'DRAGAN', 'Kodali et al., 2017', '1705.07215', 'terms/penalties.py:dragan', 'dragan'),
  Row('lecam', 'LeCam regularisation', 'Tseng et al., CVPR 2021', '2104.03310',
      'terms/penalties.py:lecam', 'lecam'),
  Row('cr', 'CR (consistency)', 'Zhang et al., ICLR 2020', '1910.12027',
      'terms/consistency.py:consistency', 'consistency'),
  Row('bcr', 'bCR', 'Zhao et al., AAAI 2021', '2002.04724',
      'terms/consistency.py:consistency_fake', 'consistency:bcr'),
  Row('zcr', 'zCR', 'Zhao et al., AAAI 2021', '2002.04724',
      'terms/consistency.py:latent_consistency', 'consistency:zcr'),
  Row('acgan', 'AC-GAN', 'Odena et al., ICML 2017', '1610.09585',
      'terms/classes.py:classify', 'acgan:labelled_digits'),
  Row('tac', 'TAC-GAN', 'Gong et al., NeurIPS 2019', '1907.02690',
      'networks/games.py:tac', 'tac_gan:labelled_digits'),
  Row('contragan', 'ContraGAN (2C)', 'Kang and Park, NeurIPS 2020', '2006.12681',
      'losses/classification/conditional.py:Contrastive', 'contragan:labelled_digits'),
  Row('reacgan', 'ReACGAN (D2D-CE)', 'Kang et al., NeurIPS 2021', '2111.01118',
      'losses/classification/conditional.py:DataToData', 'reacgan:labelled_digits'),
  Row('mhgan', 'MHGAN (multi-hinge)', 'Kavalerov et al., WACV 2021', '1912.04216',
      'losses/classification/conditional.py:MultiHinge', 'mhgan:labelled_digits'),
  Row('projection', 'Projection discriminator', 'Miyato and Koyama, ICLR 2018', '1802.05637',
      'networks/heads.py:Projection', 'studiogan:labelled_digits,projection'),
  Row('multi_discriminator', 'A discriminator for each class', 'Kang et al., TPAMI 2023', '2206.09479',
      'networks/heads.py:OfEachClass', 'studiogan:labelled_digits,multi_discriminator'),
  Row('conditional_batch_norm', 'Conditional batch normalisation', 'Dumoulin et al., ICLR 2017',
      '1610.07629', 'layers/named_norms.py:ConditionalBatchNorm', 'sngan:labelled_digits'),
  Row('top_k', 'Top-k training', 'Sinha et al., NeurIPS 2020', '2002.06224',
      'terms/fakes.py:top_k', 'top_k'),
  Row('smoothing', 'One-sided label smoothing', 'Salimans et al., NIPS 2016', '1606.03498',
      'losses/adversarial.py:non_saturating', 'improved_gan:smoothed'),
  Row('diffaugment', 'DiffAugment', 'Zhao et al., NeurIPS 2020', '2006.10738',
      'augment/diffaugment.py:build', 'diffaugment'),
  Row('apa', 'APA', 'Jiang et al., NeurIPS 2021', '2111.06849',
      'augment/__init__.py:View', 'apa'),
)


def docstring(path: Path) -> str:
  """The docstring of a module, read without running it."""
  return ast.get_docstring(_tree(path)) or ''


@functools.cache
def _tree(path: Path) -> ast.Module:
  return ast.parse(path.read_text(encoding='utf-8'))


def defines(path: Path) -> set[str]:
  """The names that a module defines at its top, and the keys of its tables of names."""
  found = set()
  for node in _tree(path).body:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
      found.add(node.name)
    if isinstance(node, ast.Assign | ast.AnnAssign):
      targets = node.targets if isinstance(node, ast.Assign) else [node.target]
      names = [x for target in targets for x in ast.walk(target) if isinstance(x, ast.Name)]
      found |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
      if isinstance(node.value, ast.Dict):
        found |= {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
  return found


@functools.cache
def marks() -> dict[int | str, list[str]]:
  """{row: 'file::test' of those that bear its mark}; {} where there are no tests, as in a wheel."""
  found: dict[int | str, list[str]] = {}
  for path in sorted((CHECKOUT / 'tests').rglob('test_*.py')):
    for node in ast.walk(_tree(path)):
      if isinstance(node, ast.FunctionDef):
        for row in _marked(node.decorator_list):
          found.setdefault(row, []).append(f'{path.relative_to(CHECKOUT)}::{node.name}')
  return found


def _marked(decorators) -> Iterator[int | str]:
  for call in decorators:
    if isinstance(call, ast.Call) and ast.unparse(call.func) == 'pytest.mark.row':
      yield from (ast.literal_eval(argument) for argument in call.args)


def tests_of(row: int | str) -> list[str]:
  return marks().get(row, [])


def variants(module: str) -> set[str]:
  """The words of a recipe: its variants and the data sets."""
  recipe_files.make_importable()
  found = set(getattr(importlib.import_module(f'configs.{module}'), 'VARIANTS', {}))
  return found | set(importlib.import_module('configs.datasets').DATASETS)


def as_json() -> list[dict]:
  """The rows with their computed status."""
  return [
    {
      'row': row.row,
      'name': row.name,
      'status': row.status,
      'home': f'decoupled_gan/{row.home}' if row.home else '',
      'recipe': row.recipe,
      'type': row.typed,
      'tests': tests_of(row.row),
    }
    for row in ROWS
  ]


def page() -> str:
  """The catalogue as Markdown: what there is, by status, then what is planned."""
  there = [row for row in ROWS if row.home]
  counts = {status: sum(row.status == status for row in ROWS) for status in STATUSES}
  lines = [
    '# Catalogue',
    '',
    'Written by `python -m decoupled_gan.catalogue`; the status is computed from the source: *routed*, '
    'it exists and its routing table is proved; *tested*, tests on numbers of the paper or of official '
    'code bear its name; *shown*, its effect was measured.',
    '',
    ', '.join(f'{count} {status}' for status, count in counts.items()) + '.',
    '',
    '| row | technique | source | status | type behind `decoupled-gan` | lives in |',
    '|---|---|---|---|---|---|',
    *map(_line, there),
    '',
    '## What was measured',
    '',
    *(f'- **{row.name}** (`{row.typed}`): {row.measured}' for row in there if row.measured),
    '',
    '## Planned',
    '',
    ', '.join(f'{row.row} {row.name}' for row in ROWS if not row.home) + '.',
  ]
  return '\n'.join(lines) + '\n'


def _line(row: Row) -> str:
  paper = f'[{row.source}](https://arxiv.org/abs/{row.arxiv})' if row.arxiv else row.source
  file, _, name = row.home.partition(':')
  home = f'[`{file}`](../decoupled_gan/{file}) `{name}`'
  return f'| {row.row} | {row.name} | {paper} | {row.status} | `{row.typed}` | {home} |'


def main(arguments: list[str]):
  if arguments == ['--json']:
    print(json.dumps(as_json(), indent=1))
    return
  path = CHECKOUT / 'docs' / 'catalogue.md'
  if arguments or not path.parent.is_dir():
    sys.exit('usage: python -m decoupled_gan.catalogue [--json], the page in a checkout only')
  path.write_text(page(), encoding='utf-8')
  print(f'written to {path}')


if __name__ == '__main__':
  main(sys.argv[1:])
