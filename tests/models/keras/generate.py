import os; os.environ['KERAS_BACKEND']='jax'
import keras, json, zipfile
from keras import layers as L, ops
def save(m,n):
    m.save(f'/tmp/kmodels/{n}.keras'); print(n, m.count_params(), sum(int(w.size if hasattr(w,'size') else __import__('numpy').prod(w.shape)) for w in m.trainable_weights), m.name)
def cnn():
    i=keras.Input((32,32,3),name='image')
    x=L.Rescaling(1/255.)(i); x=L.Normalization(mean=0.5,variance=1.0)(x)
    x=L.ZeroPadding2D(1)(x)
    x=L.Conv2D(16,3,strides=2,name='stem_conv',use_bias=False)(x); x=L.BatchNormalization(name='stem_bn')(x); x=L.ReLU(max_value=6,name='stem_relu')(x)
    y=L.DepthwiseConv2D(3,padding='same',depth_multiplier=2,activation='swish')(x); y=L.Conv2D(16,1)(y)
    x=L.Add()([x,y]); x=L.MaxPooling2D(2)(x)
    x=L.SeparableConv2D(24,3,padding='same',activation='relu')(x); x=L.LayerNormalization()(x)
    x=L.UpSampling2D(2,interpolation='bilinear')(x); x=L.Cropping2D(1)(x)
    x=L.Conv2DTranspose(8,3,strides=2,padding='same')(x); x=L.Conv2D(8,3,groups=2,dilation_rate=2)(x)
    z=L.AveragePooling2D(2,padding='same')(x); z=L.GlobalAveragePooling2D()(z); w=L.GlobalMaxPooling2D()(x)
    x=L.Concatenate()([z,w]); x=L.Dropout(.5)(x); x=L.Dense(10,activation='softmax')(x)
    return keras.Model(i,x,name='cnn')
save(cnn(),'cnn')
save(keras.Sequential([keras.Input((28,28,1)),L.Conv2D(8,3,activation='relu'),L.MaxPooling2D(),L.Flatten(),L.Dense(10)],name='lenet'),'sequential')
def seq():
    i=keras.Input((20,),dtype='int32',name='tokens'); x=L.Embedding(100,16)(i); x=L.Conv1D(32,5,padding='causal')(x); x=L.Activation('gelu')(x)
    x=L.MaxPooling1D(2)(x); x=L.Bidirectional(L.LSTM(8,return_sequences=True))(x); x=L.GRU(12)(x); x=L.Dense(4)(x)
    return keras.Model(i,x,name='recurrent')
save(seq(),'recurrent')
def att():
    i=keras.Input((16,32),name='x'); a=L.MultiHeadAttention(4,8,name='mha')(i,i); x=L.LayerNormalization(epsilon=1e-6)(i+a)
    h=L.Dense(64,activation='gelu')(x); h=L.Dense(32)(h); x=L.Add()([x,h]); x=L.EinsumDense('abc,cd->abd',output_shape=(None,24),bias_axes='d')(x); x=L.GlobalAveragePooling1D()(x); x=x*0.5
    x=ops.reshape(x,(-1,4,6)); x=ops.mean(x,axis=1); x=L.Reshape((3,2))(x); x=L.Permute((2,1))(x); x=L.Flatten()(x)
    return keras.Model(i,x,name='attention')
save(att(),'attention')
def nested():
    inner=keras.Sequential([keras.Input((8,8,3)),L.Conv2D(4,3,name='c'),L.BatchNormalization(name='b')],name='tower')
    a=keras.Input((8,8,3),name='left'); b=keras.Input((8,8,3),name='right'); d=L.Dense(5,name='head')
    f=L.GlobalAveragePooling2D()
    ya=d(f(inner(a))); yb=d(f(inner(b)))
    return keras.Model([a,b],L.Subtract()([ya,yb]),name='siamese')
save(nested(),'nested')
def td():
    i=keras.Input((5,12,12,3)); x=L.TimeDistributed(L.Conv2D(4,3))(i); x=L.Conv3D(6,3)(x); x=L.Flatten()(x); x=L.RepeatVector(3)(x)
    return keras.Model(i,x,name='video')
save(td(),'video')
save(keras.applications.MobileNetV3Small(weights=None,input_shape=(224,224,3)),'mobilenet_v3_small')
save(keras.applications.MobileNetV2(weights=None),'mobilenet_v2')
save(keras.applications.ResNet50(weights=None),'resnet50')
save(keras.applications.EfficientNetB0(weights=None),'efficientnet_b0')
save(keras.applications.DenseNet121(weights=None),'densenet121')
save(keras.applications.ConvNeXtTiny(weights=None),'convnext_tiny')
